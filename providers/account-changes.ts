import { createHash } from "node:crypto";
import { unicodeDomain } from "../config/domain-name";
import { archiveDirectory, pack } from "./archive";
import { type Stored, verifierOf } from "./facts/accounts";
import { hash, hashable } from "./hash-ahead";
import type { Host } from "./host";
import { adminSockets, lengthPrefixed, luaInput, luaScript, luaSource, notInstalled } from "./lua";
import type { Verifier } from "./scram";
import { raw, sh } from "./ssh/quote";

/**
 * `set`: make the account, or give it a password if it has none. `replace`: the same, and set the password in any
 * case, which logs its clients out. `delete`: archive and delete it, if it is there.
 */
type AccountChange =
  | { action: "set" | "replace"; jid: string; password: string }
  | { action: "delete"; jid: string };

/**
 * Carries out one change, in one round trip with all that arrive at the same time: in the running server over its
 * admin socket, which also ends the sessions of the account, or in the storage when no server answers.
 *
 * Before a deletion all the user's data goes to `<archiveDirectory>/<jid>-<UTC time>.tar.gz`, in the format of
 * Prosody's internal storage. To restore it: stop Prosody, extract the archive as root in its data directory
 * (`tar -xzpf ARCHIVE -C /var/lib/prosody`), start Prosody. With another storage, extract it elsewhere and let
 * prosody-migrator bring it over. Files that the user uploaded, and messages in the archives of others, stay where
 * they are.
 * @returns the account as it is then; `undefined` after a deletion
 * @throws Error with Prosody's reason; then nothing was changed, and a new account was not made
 */
export function changeAccount(host: Host, change: AccountChange): Promise<Changed | undefined> {
  const item = { change, verifier: verifierFor(change) };
  return host.group("accounts", item, (items) => commit(host, items), gather[change.action]);
}

interface Changed {
  /** `undefined` for an account without a password. */
  verifier: Verifier | undefined;
  /** There was an account before, with a password. */
  found: boolean;
}

/** A change, and what is computed of it while those before it are under way. */
interface Item {
  change: AccountChange;
  verifier: Promise<Verifier | undefined>;
}

/** Milliseconds: the engine sends accounts one by one, and each command takes the host as long as some ten of them. */
const gather = { set: 20, replace: 0, delete: 10 };

async function commit(host: Host, items: Item[]): Promise<(Changed | undefined | Error)[]> {
  const now = new Date();
  const changes = items.map(({ change }) => change);
  const fields = await Promise.all(
    items.map(async (item) => fieldsOf(item.change, await item.verifier, now)),
  );
  const { code, stdout } = await host.run(luaScript, {
    doing: `changing ${changes.length === 1 ? changes[0]!.jid : `${changes.length} accounts`}`,
    input: luaInput(
      ["wire", "admin-socket", "prosody", "tar", "archive", "change-accounts"],
      Buffer.concat([adminSockets, 30, luaSource("accounts"), ...fields.flat()].map(lengthPrefixed)),
    ),
    timeout: 60 + changes.length,
    accept: [0, notInstalled],
    changes: true,
  });
  if (code === notInstalled) return withoutProsody(host, changes, now);
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return changes.map((_, index) => result(lines[index]));
}

/**
 * The verifier of a new account is made here, off the main thread, so that the server, which has only one, goes on
 * serving.
 */
async function verifierFor(change: AccountChange): Promise<Verifier | undefined> {
  return change.action === "set" && hashable(change.password) ? hash(change.password) : undefined;
}

/** What change-accounts.lua reads of one change. */
function fieldsOf(change: AccountChange, known: Verifier | undefined, now: Date): string[] {
  const { action, jid } = change;
  return action === "delete"
    ? [action, ...split(jid), archiveFile(jid, now)]
    : [action, ...split(jid), change.password, known ?? ""];
}

/** A line of change-accounts.lua. */
interface Answer {
  error?: string;
  account?: Stored;
  found?: boolean;
}

function result(line: string | undefined): Changed | undefined | Error {
  if (!line)
    return new Error(
      "Prosody gave no answer about this account. See journalctl -u prosody on the host, then run this again.",
    );
  const { error, account, found = false } = JSON.parse(line) as Answer;
  if (error === "Error saving to storage")
    return new Error(
      `Error saving to storage. See whether the disk of Prosody's data is full (\`df -h\` and \`df -i\` on the host) or mounted read-only, and \`journalctl -u prosody\`, then run this again.`,
    );
  if (error !== undefined) return new Error(error);
  return account && { verifier: verifierOf(account), found };
}

/** Deletes what the internal storage has of the users; nothing else can be done with accounts. */
async function withoutProsody(
  host: Host,
  changes: AccountChange[],
  now: Date,
): Promise<(undefined | Error)[]> {
  const deletions = changes.filter(({ action }) => action === "delete");
  if (deletions.length > 0)
    await host.run(deletions.map(({ jid }) => removeFiles(jid, archiveFile(jid, now))).join("\n"), {
      doing: "deleting accounts without Prosody",
      changes: true,
    });
  return changes.map(({ action }) =>
    action === "delete"
      ? undefined
      : new Error(
          "Prosody is not installed on the host, so it can have no account. Run pulumi up, which installs it first.",
        ),
  );
}

/** Archives and removes the files of a user below the data directory, if there are any. */
export function removeFiles(jid: string, archive: string): string {
  const [user, domain] = split(jid).map(fileName);
  return sh`${raw(pack)}cd /var/lib/prosody 2>/dev/null || exit 0
umask 077
set --
for file in ${domain!}/*/${user!}.dat ${domain!}/*/${user!}.list ${domain!}/*/${user!}.lidx; do
  [ -f "$file" ] && set -- "$@" "$file"
done
if [ $# -gt 0 ]; then
  mkdir -p -m 700 ${archiveDirectory} && pack ${archive} -- "$@" && rm -- "$@" || exit 1
fi`;
}

/** As Prosody names files: everything but ASCII letters and digits becomes %xx. */
function fileName(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) =>
      /[A-Za-z0-9]/.test(String.fromCharCode(byte))
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).padStart(2, "0")}`,
    )
    .join("");
}

/** A file name has at most 255 bytes. */
function archiveFile(jid: string, now: Date): string {
  const name = Buffer.byteLength(jid) <= 200 ? jid : createHash("sha256").update(jid).digest("hex");
  return `${archiveDirectory}/${name}-${now.toISOString().replace(/[-:]/g, "")}.tar.gz`;
}

/** Prosody knows a domain beyond ASCII by its Unicode form. */
function split(jid: string): [user: string, domain: string] {
  const at = jid.indexOf("@");
  const domain = jid.slice(at + 1);
  return [jid.slice(0, at), unicodeDomain(domain)];
}

import { asciiDomain } from "../../config/domain-name";
import type { Fact } from "../host";
import { lengthPrefixed, luaInput, luaScript, luaSource, notInstalled } from "../lua";
import { textOf, type Verifier } from "../scram";

/** The accounts on a host, or why they can't be told. */
export type Accounts =
  | {
      known: true;
      /** By bare JID. `undefined` as a value: an account without a usable password. */
      verifiers: Map<string, Verifier | undefined>;
    }
  | { known: false; reason: string };

/**
 * All accounts of all virtual hosts. Read with Prosody's own libraries from its storage, so that it makes no
 * difference whether the server runs. A virtual host that is not in the configuration any more counts as long as
 * the internal storage has accounts of it.
 *
 * Where Prosody is not installed, its internal storage is read as it is: the users' data outlives the package.
 * Not known with a configuration that Prosody can't read.
 */
export const accounts: Fact<Accounts> = {
  name: "accounts",
  script: `(${luaScript})
code=$?
[ $code = ${notInstalled} ] || exit $code
cd /var/lib/prosody 2>/dev/null && for file in */accounts/*.dat; do
  [ -f "$file" ] && printf 'stored %s %s\\n' "$file" "$(base64 -w0 "$file")"
done
echo '{"complete":true}'`,
  input: luaInput(["wire", "prosody", "read-accounts"], lengthPrefixed(luaSource("accounts"))),
  parse,
  alone: true,
};

/** What Prosody keeps of a password, the keys as hexadecimal text. */
export interface Stored {
  salt?: string;
  iterations?: number;
  storedKey?: string;
  serverKey?: string;
}

interface Line {
  jid?: string;
  account?: Stored;
  complete?: true;
  unreadable?: string;
}

function parse(stdout: string): Accounts {
  const lines = stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line);
  const last = lines.at(-1);
  if (last?.unreadable !== undefined) return { known: false, reason: last.unreadable };
  if (!last?.complete)
    throw new Error(
      "the list of accounts ends early. See whether the disk of the host is full, then run this again",
    );
  const found = lines.flatMap(({ jid, account }) =>
    jid && account ? [[withAscii(jid), verifierOf(account)] as const] : [],
  );
  return { known: true, verifiers: new Map([...found, ...stored(stdout)]) };
}

/** Accounts from files of Prosody's internal storage: Lua tables, under names with %xx for what is no letter. */
function stored(stdout: string): [string, Verifier | undefined][] {
  return [...stdout.matchAll(/^stored (.+)\/accounts\/(.+)\.dat (.*)$/gm)].map(
    ([, domain, user, content]) => {
      const text = Buffer.from(content!, "base64").toString("utf8");
      const field = (name: string) => new RegExp(`\\["${name}"\\] = "?([^";]*)`).exec(text)?.[1];
      const verifier = verifierOf({
        salt: field("salt"),
        iterations: Number(field("iteration_count")),
        storedKey: field("stored_key"),
        serverKey: field("server_key"),
      });
      return [withAscii(`${decodeURIComponent(user!)}@${decodeURIComponent(domain!)}`), verifier];
    },
  );
}

/** The stack config has domains as A-labels (RFC 5890), Prosody as Unicode. */
function withAscii(jid: string): string {
  const at = jid.lastIndexOf("@");
  const domain = jid.slice(at + 1);
  return `${jid.slice(0, at)}@${asciiDomain(domain)}`;
}

/** Whether an account, by the JID that {@link accounts} has it under, is of a virtual host as Prosody names it. */
export function isOf(domain: string): (jid: string) => boolean {
  const suffix = `@${asciiDomain(domain)}`;
  return (jid) => jid.endsWith(suffix);
}

/** An account may be without a password: when its making was cut off, or it can't be read. */
export function verifierOf({ salt, iterations, storedKey, serverKey }: Stored): Verifier | undefined {
  if (!salt || !iterations || !storedKey || !serverKey) return undefined;
  const hex = (text: string) => Buffer.from(text, "hex");
  return textOf({
    salt: Buffer.from(salt),
    iterations,
    storedKey: hex(storedKey),
    serverKey: hex(serverKey),
  });
}

import { passwordsOf } from "../../config/load";
import type { ConnectionInputs, ConnectionState } from "../connection";
import { firewalld } from "../facts/firewalld";
import { portLabels } from "../facts/selinux";
import type { Handler } from "../handler";
import { hashAhead } from "../hash-ahead";
import type { Host } from "../host";
import { foreign, isForeign, look, note, noteOurs, owner } from "../ownership";
import { removeFiles, writeFiles } from "../ssh/files";
import { hosts } from "../ssh/pool";

/**
 * What takes longest to read. The engine asks for the objects that need it last, in the order of their dependencies;
 * begun with the log-in, it is in the first remote command. Where a host has neither tool, this is done in a moment.
 */
const longest = [firewalld(), portLabels];

/**
 * Makes the note unless there is one, in one step: two servers may lead to one host by different names, and both come
 * at once. Prints the one that is there then.
 */
export const claimScript = `# claim the host
staged=$(mktemp ${note}.XXXXXXXXXX) || exit
trap 'rm -f -- "$staged"' EXIT
cat >"$staged" && chmod 0644 -- "$staged" || exit
ln -T -- "$staged" ${note} || [ -e ${note} ] || exit
cat -- ${note}`;

/** The way to a server's host. */
export const connectionHandler: Handler<ConnectionInputs, ConnectionState> = {
  inputs: ["reachable", "address", "stack", "kept"],

  id: ({ server }) => server,

  async create(host, inputs) {
    const state = await keep(host, inputs, inputs);
    void hashAhead(passwordsOf(hosts.config, inputs.server)); // the accounts come last
    return state;
  },

  async read(host, state) {
    for (const fact of longest) host.fact<unknown>(fact).catch(() => undefined); // whoever needs it gets the error
    // A state from before there were notes is no reason to go on: a destroy of it would take another stack's accounts.
    const whose = await owner(host, (noted) => noted === noteOf(state));
    return { ...state, reachable: true, kept: whose === "ours" };
  },

  lost: (state, error) => ({ ...state, ...(isForeign(error) ? { kept: false } : { reachable: false }) }),

  update: (host, state, inputs) => keep(host, inputs, state),

  async delete(host, state) {
    if ((await look(host)) === noteOf(state)) await removeFiles(host, [note]);
  },
};

/**
 * Notes whose host it is.
 * @param former the same with the name that the stack had, should it be renamed
 * @throws Error when it is another stack's; or another machine than the one whose objects the engine has read
 */
async function keep(host: Host, inputs: ConnectionInputs, former: ConnectionState): Promise<ConnectionState> {
  const noted = (await look(host)) ?? (await claim(host, inputs, former));
  if (noted !== noteOf(inputs)) {
    if (noted !== noteOf(former)) throw foreign(noted);
    await writeFiles(host, [
      { path: note, content: `${noteOf(inputs)}\n`, mode: "0644", owner: "root", group: "root" },
    ]);
  }
  noteOurs(host);
  return inputs;
}

/**
 * Notes whose a host is that has no note.
 * @returns the note that is there now: that of another server, where one was quicker
 */
async function claim(host: Host, inputs: ConnectionInputs, former: ConnectionState): Promise<string> {
  if (former !== inputs && former.kept)
    throw new Error(
      "prosody:host leads to another machine than before, and what was read is on the old one. Run pulumi up --run-program, which reads the new one",
    );
  const { stdout } = await host.run(claimScript, {
    doing: `writing ${note}`,
    input: `${noteOf(inputs)}\n`,
    changes: true,
    fix: "See whether the disk has space.",
  });
  return stdout.trim();
}

const noteOf = ({ stack, server }: ConnectionState) => `${stack} ${server}`;

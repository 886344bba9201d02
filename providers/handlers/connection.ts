import type { ConnectionInputs, ConnectionState } from "../connection";
import { firewalld } from "../facts/firewalld";
import { portLabels } from "../facts/selinux";
import type { Handler } from "../handler";
import type { Host } from "../host";
import { readFiles, removeFiles, writeFiles } from "../ssh/files";

/**
 * What takes longest to read. The engine asks for the objects that need it last, in the order of their dependencies;
 * begun with the log-in, it is in the first remote command. Where a host has neither tool, this is done in a moment.
 */
const longest = [firewalld(), portLabels];

/** On the host: the stack that keeps it, and the server in it. No part of a backup, which may go to another host. */
export const note = "/etc/prosody-pulumi.stack";

/** Servers whose hosts this run knows to be the stack's. */
const ours = new Set<string>();

/** The way to a server's host. */
export const connectionHandler: Handler<ConnectionInputs, ConnectionState> = {
  inputs: ["reachable", "address", "stack", "kept"],

  id: ({ server }) => server,

  create: (host, inputs) => keep(host, inputs, inputs),

  async read(host, state) {
    for (const fact of longest) host.fact<unknown>(fact).catch(() => undefined); // whoever needs it gets the error
    const noted = await look(host);
    // A state from before there were notes is no reason to go on: a destroy of it would take another stack's accounts.
    if (noted !== undefined && noted !== noteOf(state)) throw foreign(noted);
    ours.add(state.server);
    return { ...state, reachable: true, kept: noted === noteOf(state) };
  },

  unreachable: (state) => ({ ...state, reachable: false }),

  update: (host, state, inputs) => keep(host, inputs, state),

  async delete(host, state) {
    if ((await look(host)) === noteOf(state)) await removeFiles(host, [note]);
  },
};

/**
 * For whatever is deleted on a host: where the engine reads nothing first (`--refresh=false`), nobody has looked whose the
 * host is, and the connection, on which all depends, goes last.
 * @param stack `PROJECT/STACK`
 * @throws Error when it is another stack's
 */
export async function refuseForeign(host: Host, server: string, stack: string): Promise<void> {
  if (ours.has(server)) return;
  const noted = await look(host);
  if (noted !== undefined && !noted.endsWith(`/${stack} ${server}`)) throw foreign(noted);
  ours.add(server);
}

/**
 * Notes whose host it is.
 * @param former the same with the name that the stack had, should it be renamed
 * @throws Error when it is another stack's; or another machine than the one whose objects the engine has read
 */
async function keep(host: Host, inputs: ConnectionInputs, former: ConnectionState): Promise<ConnectionState> {
  const noted = await look(host);
  if (noted === noteOf(inputs)) return inputs;
  if (noted === undefined && former !== inputs && former.kept)
    throw new Error(
      "prosody:host leads to another machine than before, and what was read is on the old one. Run pulumi up --run-program, which reads the new one",
    );
  if (noted !== undefined && noted !== noteOf(former)) throw foreign(noted);
  const content = `${noteOf(inputs)}\n`;
  await writeFiles(host, [{ path: note, content, mode: "0644", owner: "root", group: "root" }]);
  return inputs;
}

/** What the host has noted, if it can be worked on. */
async function look(host: Host): Promise<string | undefined> {
  const becomingRoot = host.run(":", { doing: "becoming root", together: true });
  const [files] = await Promise.all([readFiles(host, [note]), becomingRoot]);
  return files.get(note)?.content.trim();
}

const noteOf = ({ stack, server }: ConnectionState) => `${stack} ${server}`;

function foreign(noted: string): Error {
  const [stack, server] = noted.split(" ");
  return new Error(
    `the host is kept by the stack ${stack}, as its server ${server}, and left alone by this one. Correct prosody:host; or, to have this stack keep it from now on, remove ${note} on the host`,
  );
}

import type { Host } from "./host";
import { readFiles } from "./ssh/files";

/** On the host: the stack that keeps it, and the server in it. No part of a backup, which may go to another host. */
export const note = "/etc/prosody-pulumi.stack";

const marked = new WeakSet<Error>();

/** What this run knows of each host: whether it is the stack's or, without a note, nobody's; an error, if another's. */
const known = new WeakMap<Host, Promise<"ours" | "nobody's">>();

/** Whether an error says that the host is kept by another stack. */
export function isForeign(error: Error): boolean {
  return marked.has(error);
}

/** That the host is kept by another stack, or as another server. */
export function foreign(noted: string): Error {
  const [stack, server] = noted.split(" ");
  const error = new Error(
    `the host is kept by the stack ${stack}, as its server ${server}, and left alone by this one. Correct prosody:host; after pulumi stack rename, run pulumi up without --target first; or, to have this stack keep it from now on, remove ${note} on the host`,
  );
  marked.add(error);
  return error;
}

/** What the host has noted, if it can be worked on. */
export async function look(host: Host): Promise<string | undefined> {
  const becomingRoot = host.run(":", { doing: "becoming root", together: true });
  const [files] = await Promise.all([readFiles(host, [note]), becomingRoot]);
  return files.get(note)?.content.trim();
}

/**
 * Looks whose the host is, for everything else that this run does there, too.
 * @param isOurs whether a note is this stack's, for this server
 * @throws Error ({@link isForeign}) when it is another stack's
 */
export async function owner(host: Host, isOurs: (noted: string) => boolean): Promise<"ours" | "nobody's"> {
  const answer = look(host).then((noted) => {
    if (noted === undefined) return "nobody's";
    if (isOurs(noted)) return "ours";
    throw foreign(noted);
  });
  known.set(host, answer);
  try {
    return await answer;
  } catch (error) {
    if (!isForeign(error as Error) && known.get(host) === answer) known.delete(host);
    throw error;
  }
}

/** The host was noted as this stack's. */
export function noteOurs(host: Host): void {
  known.set(host, Promise.resolve("ours"));
}

/**
 * For whatever is done on a host: where the engine reads or changes no connection first (`--target`,
 * `--refresh=false`), nobody has looked whose the host is. Asks the host once, however many ask. A connection that is
 * read meanwhile knows better: the name that a stack had before it was renamed.
 * @param stack `PROJECT/STACK`
 * @throws Error ({@link isForeign}) when it is another stack's
 */
export async function ownerFor(host: Host, server: string, stack: string): Promise<"ours" | "nobody's"> {
  const asked = known.get(host) ?? owner(host, (noted) => noted.endsWith(`/${stack} ${server}`));
  try {
    return await asked;
  } catch (error) {
    const latest = known.get(host);
    if (!latest) throw error;
    return latest;
  }
}

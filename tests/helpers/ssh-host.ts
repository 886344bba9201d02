import { spawn } from "node:child_process";
import type { ServerChannel } from "ssh2";
import type { HostSettings } from "../../config/settings";
import { openHost, type SshHost } from "../../providers/ssh/host";
import { type Behaviour, end, settingsFor, sshServer, type TestServer } from "./ssh-server";

const closing: { close(): Promise<void> }[] = [];
afterEach(() => Promise.all(closing.splice(0).map((each) => each.close())));

/** Closes it after the test. */
export function closeAfter<T extends { close(): Promise<void> }>(made: T): T {
  closing.push(made);
  return made;
}

export async function connected(
  behaviour: Behaviour,
  settings: Partial<HostSettings> = {},
): Promise<{ host: SshHost; server: TestServer }> {
  const server = closeAfter(await sshServer(behaviour));
  const host = await openHost(settingsFor(server, settings), "xmpp.example.com");
  return { host, server };
}

/** Runs commands in a local shell, as sshd would. */
export function locally(command: string, channel: ServerChannel): void {
  const child = spawn("sh", ["-c", command]);
  channel.pipe(child.stdin);
  child.stdin.on("error", () => {});
  child.stdout.on("data", (data) => channel.write(data));
  child.stderr.on("data", (data) => channel.stderr.write(data));
  child.on("close", (code) => end(channel, code ?? 255));
}

/** Answers a command with text and an exit code. */
export const says =
  (stdout: string, code = 0, stderr = "") =>
  (_command: string, channel: ServerChannel) => {
    channel.write(stdout);
    if (stderr) channel.stderr.write(stderr);
    end(channel, code);
  };

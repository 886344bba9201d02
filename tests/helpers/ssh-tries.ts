import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { HostSettings } from "../../config/settings";
import { openHost } from "../../providers/ssh/host";
import { fingerprint, parseHostKey } from "../../providers/ssh/known-hosts";
import { closeAfter } from "./ssh-host";
import { type Behaviour, end, failure, keyPair, sshServer, type TestServer, tcpServer } from "./ssh-server";

export const directory = mkdtempSync(path.join(tmpdir(), "prosody-connect-"));
afterAll(() => rmSync(directory, { recursive: true }));

export const server = async (behaviour: Behaviour = {}): Promise<TestServer> =>
  closeAfter(await sshServer({ exec: (_command, channel) => end(channel, 0), ...behaviour }));

export const tcp = async (...args: Parameters<typeof tcpServer>) => closeAfter(await tcpServer(...args));

export const open = async (settings: HostSettings) =>
  closeAfter(await openHost(settings, "xmpp.example.com"));

/** The error of a log-in, and that it came within a time. */
export async function refused(settings: HostSettings, seconds = 15): Promise<string> {
  const start = performance.now();
  const message = await failure(open(settings));
  expect(performance.now() - start).toBeLessThan(seconds * 1000);
  return message;
}

export const file = (name: string, text: string) => {
  const full = path.join(directory, name);
  writeFileSync(full, text, { mode: 0o600 });
  return full;
};
export const print = (key: string) => fingerprint(parseHostKey(key)!.blob);
export const wayOut = "Until then, `pulumi up --refresh=false` works on whatever else is in the stack.";
export const userKey = `ssh-ed25519 ${print(keyPair("ed25519", "user").public)}`;

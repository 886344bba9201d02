import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { HostSettings } from "../../config/settings";
import { openHost } from "../../providers/ssh/host";
import { fingerprint, parseHostKey } from "../../providers/ssh/known-hosts";
import { type Behaviour, end, keyPair, sshServer, type TestServer, tcpServer } from "./ssh-server";

export const directory = mkdtempSync(path.join(tmpdir(), "prosody-connect-"));
const closing: { close(): Promise<void> }[] = [];
afterEach(() => Promise.all(closing.splice(0).map((each) => each.close())));
afterAll(() => rmSync(directory, { recursive: true }));

export async function server(behaviour: Behaviour = {}): Promise<TestServer> {
  const made = await sshServer({ exec: (_command, channel) => end(channel, 0), ...behaviour });
  closing.push(made);
  return made;
}

export async function tcp(...args: Parameters<typeof tcpServer>) {
  const made = await tcpServer(...args);
  closing.push(made);
  return made;
}

export async function open(settings: HostSettings) {
  const host = await openHost(settings, "xmpp.example.com");
  closing.push(host);
  return host;
}

/** The error, and that it came within a time. */
export async function failure(settings: HostSettings, seconds = 15): Promise<string> {
  const start = performance.now();
  const error = await open(settings).then(
    () => new Error("no error"),
    (error: Error) => error,
  );
  expect(Object.getPrototypeOf(error)).toBe(Error.prototype); // Pulumi prints plain errors alone
  expect(performance.now() - start).toBeLessThan(seconds * 1000);
  return error.message;
}

export const file = (name: string, text: string) => {
  const full = path.join(directory, name);
  writeFileSync(full, text, { mode: 0o600 });
  return full;
};
export const print = (key: string) => fingerprint(parseHostKey(key)!.blob);
export const wayOut = "Until then, `pulumi up --refresh=false` works on whatever else is in the stack.";
export const userKey = `ssh-ed25519 ${print(keyPair("ed25519", "user").public)}`;

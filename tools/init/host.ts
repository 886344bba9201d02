import { thisMachine } from "../../config/environment";
import { knownHostKey } from "../../config/host-keys";
import type { Secret } from "../../config/secret";
import type { HostSettings } from "../../config/settings";
import { say } from "../../lab/command";
import { endpointName, shownHostKeys } from "../../providers/ssh/connect";
import { openHost, type SshHost } from "../../providers/ssh/host";
import { describe, ownFingerprint, trustOf } from "../../providers/ssh/host-key";
import { fingerprint, type HostKey } from "../../providers/ssh/known-hosts";
import { logIn } from "../../providers/ssh/link";
import { confirm } from "../prompt";

/** How a host's key becomes the one to trust: whoever is at the terminal is asked, or a flag says so. */
export type Acceptance = "ask" | "accept" | { fingerprint: string };

/**
 * The key of a host, confirmed.
 * @param settings whose trust is that of the first use, in the user's known_hosts; nothing is written there
 * @returns as OpenSSH writes it
 * @throws Error when it is not the confirmed one, known_hosts has another one, or the host can't be reached
 */
export async function confirmedHostKey(settings: HostSettings, how: Acceptance): Promise<string> {
  const shown: HostKey[] = [];
  for await (const key of keysOf(settings)) {
    if (typeof how === "string") return judged(settings, key, how);
    if (fingerprint(key.blob) === how.fingerprint) return text(key);
    shown.push(key);
  }
  if (typeof how === "string" || shown.length === 0)
    throw new Error(`${endpointName(settings)} has no host key of a type that is known here.`);
  throw new Error(
    `--host-key-fingerprint ${how.fingerprint}: ${settings.address} shows ${shown.map(describe).join(", ")}. Either the fingerprint is another host's, or somebody sits in between. Compare with ${ownFingerprint(shown[0]!)}.`,
  );
}

async function* keysOf(settings: HostSettings): AsyncGenerator<HostKey> {
  try {
    yield* shownHostKeys(settings);
  } catch (error) {
    throw new Error(`can't connect to ${endpointName(settings)}: ${(error as Error).message}`);
  }
}

async function judged(settings: HostSettings, key: HostKey, how: "ask" | "accept"): Promise<string> {
  try {
    trustOf(settings).verify(key.blob);
  } catch (error) {
    throw new Error(`${settings.address}: ${(error as Error).message}`);
  }
  if (how === "accept") return text(key);
  const isKnown = knownHostKey(settings, thisMachine().files) === text(key);
  say(`${settings.address} shows the host key ${describe(key)}.`);
  say(isKnown ? "Your known_hosts has it." : `Compare with ${ownFingerprint(key)}.`);
  if (await confirm("Is this the host's key?", isKnown || undefined)) return text(key);
  throw new Error("The host key was not confirmed, so nothing was sent to the host and nothing written.");
}

const text = ({ type, blob }: HostKey) => `${type} ${blob.toString("base64")}`;

/**
 * Logs in, and becomes root.
 * @param password for sudo, where it asks for one
 * @returns the host, to be closed; and what sudo took
 * @throws Error with the reason and what to do
 */
export async function openAsRoot(
  settings: HostSettings,
  password: (refusal?: string) => Promise<Secret>,
): Promise<{ host: SshHost; sudoPassword?: Secret }> {
  const { connection, access } = await logIn(settings, password);
  connection.end();
  const sudo = settings.sudo && (access.password ? { password: access.password } : {});
  const host = await openHost({ ...settings, sudo }, settings.address);
  return { host, ...(access.password && { sudoPassword: access.password }) };
}

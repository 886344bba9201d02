import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { HostSettings } from "../../config/settings";
import { fingerprint, type HostKey, hostKey, hostName, knownKeys, parseHostKey } from "./known-hosts";
import { expandHome } from "./paths";

/** Host key algorithms in order of preference, by type of key. SHA-1 signatures (`ssh-rsa`, RFC 8332) are out. */
export const algorithms: Record<string, string[]> = {
  "ssh-ed25519": ["ssh-ed25519"],
  "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
  "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
  "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
  "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"],
};

/** What is known of a host's keys before it is asked for one. */
export interface Trust {
  /** Algorithms to offer: those of the known keys, so that a host with several keys shows one that is known. */
  readonly algorithms: string[];
  /**
   * Judges the key that the host showed.
   * @throws Error with the fingerprints and what to do, when the key is not the known one
   */
  verify(blob: Buffer): void;
  /** Records the key, once the host proved that it has it. */
  accept(blob: Buffer): void;
}

type Endpoint = Pick<HostSettings, "address" | "port" | "trust">;

/** @throws Error when the known_hosts file can't be read, or a pinned key is no key */
export function trustOf(host: Endpoint): Trust {
  const { trust } = host;
  if (trust.kind === "pinned") return pinned(host, trust.hostKeys);
  const file = expandHome(trust.file);
  const known = knownKeys(read(file, trust.kind === "firstUse"), hostName(host.address, host.port));
  const valid = known.filter((key) => !key.revoked);
  const firstUse = trust.kind === "firstUse" && valid.length === 0;
  return {
    algorithms: algorithmsFor(valid),
    verify(blob) {
      const shown = hostKey(blob);
      if (known.some((key) => key.revoked && key.blob.equals(blob)))
        throw new Error(
          `it shows ${describe(shown)}, which ${file} marks as revoked: do not connect. Give the host a new key (ssh-keygen -A) or remove the mark.`,
        );
      if (firstUse || valid.some((key) => key.blob.equals(blob))) return;
      if (valid.length === 0) throw new Error(unknownKey(host, shown, file));
      throw new Error(
        changedKey(
          shown,
          valid.map((key) => `${describe(key)} (${file}, line ${key.line})`),
          `take the old one out with \`ssh-keygen -R '${hostName(host.address, host.port)}' -f ${file}\` and add the new one`,
        ),
      );
    },
    accept(blob) {
      if (firstUse) record(file, host, hostKey(blob));
    },
  };
}

function pinned(host: Endpoint, pins: string[]): Trust {
  const keys = pins.map((pin) => {
    const key = parseHostKey(pin);
    if (!key)
      throw new Error(
        `the pinned host key ${JSON.stringify(pin)} of ${host.address} is no public key: it should read like "ssh-ed25519 AAAAC3Nz…", as \`ssh-keyscan ${host.address}\` or /etc/ssh/ssh_host_ed25519_key.pub on the host has it.`,
      );
    return key;
  });
  return {
    algorithms: algorithmsFor(keys),
    verify(blob) {
      if (keys.some((key) => key.blob.equals(blob))) return;
      throw new Error(
        changedKey(
          hostKey(blob),
          keys.map((key) => `${describe(key)} (stack config)`),
          "put the new one into the stack config's `hostKey`",
        ),
      );
    },
    accept() {},
  };
}

/** All algorithms when no key is known, so that the host can show what it has. */
function algorithmsFor(keys: HostKey[]): string[] {
  const known = keys.flatMap((key) => algorithms[key.type] ?? []);
  return known.length > 0 ? [...new Set(known)] : allAlgorithms;
}

export const allAlgorithms = Object.values(algorithms).flat();

/** Type and fingerprint. */
export function describe(key: HostKey): string {
  return `${key.type} ${fingerprint(key.blob)}`;
}

function changedKey(shown: HostKey, known: string[], fix: string): string {
  return `it shows the host key ${describe(shown)}, but known is ${known.join(", ")}. Either the host was installed anew, or somebody sits in between. Compare with ${ownFingerprint(shown)}; only if it is the same, ${fix}.`;
}

function unknownKey(host: Endpoint, shown: HostKey, file: string): string {
  return `its host key ${describe(shown)} is not in ${file}. Compare with ${ownFingerprint(shown)}; if it is the same, add this line to the file: ${knownHostsLine(host, shown)}`;
}

/** How to see the key's fingerprint without SSH. */
export function ownFingerprint(key: HostKey): string {
  const name = key.type
    .replace(/^(?:ssh|ecdsa)-/, key.type.startsWith("ecdsa") ? "ecdsa-" : "")
    .split("-")[0];
  return `\`ssh-keygen -lf /etc/ssh/ssh_host_${name}_key.pub\` on the host's console`;
}

function knownHostsLine(host: Endpoint, key: HostKey): string {
  return `${hostName(host.address, host.port)} ${key.type} ${key.blob.toString("base64")}`;
}

function read(file: string, mayBeMissing: boolean): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (mayBeMissing && (error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw new Error(
      `the known_hosts file ${file} can't be read (${(error as NodeJS.ErrnoException).code}). Make it with \`ssh-keyscan HOST >> ${file}\` and compare the fingerprints, or pin the key with \`hostKey\`.`,
    );
  }
}

function record(file: string, host: Endpoint, key: HostKey): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const present = read(file, true);
  const separator = present === "" || present.endsWith("\n") ? "" : "\n";
  appendFileSync(file, `${separator}${knownHostsLine(host, key)}\n`, { mode: 0o600 });
}

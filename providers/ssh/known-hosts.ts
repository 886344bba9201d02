import { createHash, createHmac } from "node:crypto";

/** A host's public key. */
export interface HostKey {
  /** e.g. "ssh-ed25519" */
  type: string;
  /** The key in SSH's wire format (RFC 4253, 6.6). */
  blob: Buffer;
}

/** One key of a known_hosts file that applies to a host. */
interface KnownKey extends HostKey {
  /** Counted from 1. */
  line: number;
  revoked: boolean;
}

/** `SHA256:…`, as ssh and ssh-keygen print it. */
export function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** The type is the first string of the key itself, so it needs no trust in anything written beside it. */
export function hostKey(blob: Buffer): HostKey {
  const length = blob.length >= 4 ? blob.readUInt32BE(0) : 0;
  return { type: blob.toString("latin1", 4, 4 + length), blob };
}

/**
 * A key as OpenSSH writes it: "ssh-ed25519 AAAAC3Nz… comment".
 * @returns `undefined` when it is no such line
 */
export function parseHostKey(text: string): HostKey | undefined {
  const [type, base64] = text.trim().split(/\s+/);
  if (!type || !base64 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  const key = hostKey(Buffer.from(base64, "base64"));
  return key.type === type ? key : undefined;
}

/** How known_hosts names a host: the address alone for port 22, else `[address]:port` (sshd(8)). */
export function hostName(address: string, port: number): string {
  const name = address.toLowerCase();
  return port === 22 ? name : `[${name}]:${port}`;
}

/**
 * The keys that a known_hosts file has for a host (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): plain and hashed names,
 * wildcards, negation and `@revoked`. Lines of certificate authorities are left out: ssh2 knows no certificates.
 *
 * @param name see {@link hostName}
 */
export function knownKeys(text: string, name: string): KnownKey[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    const fields = line.trim().split(/\s+/);
    const marker = fields[0]?.startsWith("@") ? fields.shift() : undefined;
    const [names, ...rest] = fields;
    if (!names || names.startsWith("#") || (marker && marker !== "@revoked") || !matches(names, name))
      return [];
    const key = parseHostKey(rest.join(" "));
    return key ? [{ ...key, line: index + 1, revoked: marker === "@revoked" }] : [];
  });
}

function matches(names: string, name: string): boolean {
  if (names.startsWith("|1|")) {
    const [, , salt, hash] = names.split("|");
    return (
      createHmac("sha1", Buffer.from(salt ?? "", "base64"))
        .update(name)
        .digest("base64") === hash
    );
  }
  const patterns = names.toLowerCase().split(",");
  const applies = (pattern: string) => wildcard(pattern).test(name);
  return (
    patterns.some((pattern) => !pattern.startsWith("!") && applies(pattern)) &&
    !patterns.some((pattern) => pattern.startsWith("!") && applies(pattern.slice(1)))
  );
}

function wildcard(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`);
}

import { BlockList, isIPv6 } from "node:net";

/**
 * Addresses that are nobody's on the internet (RFC 6890): a relay that connects to them would open private networks
 * and the host itself to everyone who has an account.
 */
export const privateRanges = [
  "0.0.0.0-0.255.255.255",
  "10.0.0.0-10.255.255.255",
  "100.64.0.0-100.127.255.255",
  "127.0.0.0-127.255.255.255",
  "169.254.0.0-169.254.255.255",
  "172.16.0.0-172.31.255.255",
  "192.0.0.0-192.0.0.255",
  "192.0.2.0-192.0.2.255",
  "192.88.99.0-192.88.99.255",
  "192.168.0.0-192.168.255.255",
  "198.18.0.0-198.19.255.255",
  "198.51.100.0-198.51.100.255",
  "203.0.113.0-203.0.113.255",
  "240.0.0.0-255.255.255.255",
  "::1",
  "64:ff9b::-64:ff9b::ffff:ffff",
  "::ffff:0.0.0.0-::ffff:255.255.255.255",
  "100::-100::ffff:ffff:ffff:ffff",
  "2001::-2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
  "2002::-2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
  "fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
  "fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
] as const;

/** One per family: in a list of both, the range of mapped addresses (::ffff:0:0/96) stands for all of IPv4. */
const blocked = { ipv4: new BlockList(), ipv6: new BlockList() };
for (const range of privateRanges) {
  const [first, last = first] = range.split("-") as [string, string?];
  blocked[family(first)].addRange(first, last, family(first));
}

function family(address: string): "ipv4" | "ipv6" {
  return isIPv6(address) ? "ipv6" : "ipv4";
}

/** Whether an address is in one of the {@link privateRanges}. */
export function isPrivate(address: string): boolean {
  return blocked[family(address)].check(address, family(address));
}

const secretOption = "static-auth-secret=";

/**
 * The file as coturn gets it: the program's text, and what it does not know. Between two clients that both are relayed,
 * coturn talks to itself, so that its own address has to be a peer even where it is private.
 */
export function withHostLines(config: string, secret: string, addresses: readonly string[]): string {
  return `${config}\n${hostLines(secret, addresses)}`;
}

function hostLines(secret: string, addresses: readonly string[]): string {
  const own = addresses.filter(isPrivate).map((address) => `allowed-peer-ip=${address}\n`);
  const about = own.length > 0 ? ["\n# This host itself, which relays between two clients of its own\n"] : [];
  return [`# Shared with Prosody\n${secretOption}${secret}\n`, ...about, ...own].join("");
}

/** True for a secret that nobody guesses, and that means the same in every file that has it. */
export function isSound(secret: string): boolean {
  return /^[\w-]{16,}$/.test(secret);
}

/** The secret in coturn's configuration, if there is one. */
export function secretOf(content: string): string | undefined {
  return /^static-auth-secret=(.+)$/m.exec(content)?.[1];
}

/** Options of coturn whose value is a secret, or has one in it; it takes blanks for "=", too. */
const secrets =
  /^([# \t]*(?:static-auth-secret|user|cli-password|pkey-pwd|\w+-(?:userdb|statsdb))[ \t=]+)\S.*$/gm;

/** What {@link withHostLines} was given; a text that it did not make stays whole, but for secrets. */
export function withoutHostLines(
  content: string,
  addresses: readonly string[],
): { config: string; secret: string } {
  const secret = secretOf(content) ?? "";
  const lines = `\n${hostLines(secret, addresses)}`;
  if (content.endsWith(lines)) return { config: content.slice(0, -lines.length), secret };
  return { config: content.replace(secrets, "$1[secret]"), secret };
}

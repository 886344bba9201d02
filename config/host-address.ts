import { isIP, isIPv6 } from "node:net";
import { Refused } from "./refused";

/**
 * A host name or IP address, as SSH connects to it.
 * @throws Refused
 */
export function parseAddress(text: string): string {
  if (text === "") throw new Refused("give a host name or an IP address");
  if (/\s/.test(text)) throw new Refused("an address has no spaces");
  if (text.includes("://")) throw new Refused("give the address alone, without a scheme and ://");
  if (text.includes("@")) throw new Refused("give the address alone; what comes before the @ goes into user");
  const bare = text.replace(/^\[(.*)\]$/, "$1");
  if (isIPv6(bare)) return bare;
  if (text.includes("/")) throw new Refused("give one address, without a slash and what follows it");
  if (/^([^:]+|\[.*\]):\d+$/.test(text))
    throw new Refused("give the address alone; what comes after the colon goes into port");
  if (text.includes(":")) throw new Refused("this is no IPv6 address; give something like 2001:db8::5");
  if (isIP(text)) return text;
  if (/^[\d.]+$/.test(text)) throw new Refused("this is no IPv4 address: four numbers from 0 to 255");
  const name = text.toLowerCase().replace(/\.$/, "");
  if (
    name.length > 253 ||
    !name.split(".").every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))
  )
    throw new Refused("a host name has letters, digits, hyphens and dots");
  return name;
}

/** An IPv6 address as RFC 5952 writes it. */
export function canonicalIPv6(text: string): string {
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}

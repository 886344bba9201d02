import { isIP } from "node:net";
import { domainToASCII, domainToUnicode } from "node:url";
import { Refused } from "./refused";

const label = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

/**
 * A domain as it goes over the wire: lower case, internationalised labels as A-labels (RFC 5890). RFC 7622 allows
 * more in a domainpart; certificates and DNS do not.
 * @throws Refused
 */
export function parseDomain(text: string): string {
  if (text !== text.trim() || /\s/.test(text)) throw new Refused("a domain has no spaces");
  if (text === "") throw new Refused("a domain can't be empty; give a name such as example.com");
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    throw new Refused("give the domain alone, without a scheme and ://");
  if (/^(xmpp|mailto|https?):/i.test(text))
    throw new Refused("give the domain alone, without the scheme before the colon");
  if (text.includes("@"))
    throw new Refused("this is an address; give the domain alone, what comes after the @");
  if (text.includes("/")) throw new Refused("give the domain alone, without a slash and what follows it");
  if (isIP(text.replace(/^\[|\]$/g, "")))
    throw new Refused("this is an IP address; accounts and certificates need a domain such as example.com");
  if (text.includes(":"))
    throw new Refused("give the domain alone; the ports of a server are set in prosody:ports");
  if (text.includes("*"))
    throw new Refused("a virtual host is one domain; wildcards belong into certificates only");
  if (text.endsWith(".")) throw new Refused("leave out the dot at the end");
  if (text.startsWith(".") || text.includes("..")) throw new Refused("a label between two dots is empty");
  if (text.includes("_"))
    throw new Refused(
      "a domain has letters, digits and hyphens; certificates can't name one with an underscore",
    );
  const name = domainToASCII(text);
  const labels = name.split(".");
  // Since Node.js 24 what is ASCII is taken as it is; an A-label that stands for nothing stays one in Unicode, too.
  const isMalformed = domainToUnicode(name)
    .split(".")
    .some((part) => part.startsWith("xn--"));
  if (name === "" || isMalformed || !labels.every((part) => label.test(part)))
    throw new Refused(
      "a domain has letters, digits and hyphens, labels are separated by dots and neither begin nor end with a hyphen",
    );
  const long = labels.find((part) => part.length > 63);
  if (long) throw new Refused(`a label has at most 63 characters, one of these has ${long.length}`);
  if (name.length > 253) throw new Refused(`a domain has at most 253 characters, this has ${name.length}`);
  const other = deviating.exec(domainToUnicode(name))?.[0];
  if (other !== undefined)
    throw new Refused(
      `Prosody takes ${JSON.stringify(other)} for another spelling and would serve another domain: it reads names as IDNA 2003 has them`,
    );
  return name;
}

/** What IDNA 2003 (RFC 3491), by which Prosody reads names, turns into something else (UTS 46, deviations). */
const deviating = /[\u00df\u03c2\u200c\u200d]/;

/** A domain as Prosody and JIDs have it (RFC 7622): in Unicode. */
export function unicodeDomain(domain: string): string {
  return domainToUnicode(domain) || domain;
}

/** A domain as the DNS, TLS and the stack config have it: in A-labels. */
export function asciiDomain(domain: string): string {
  return domainToASCII(domain) || domain;
}

/**
 * One or more labels below each virtual host, such as `conference`.
 * @throws Refused
 */
export function parseSubdomain(text: string, domains: readonly string[]): string {
  const domain = domains.find((name) => text.toLowerCase().endsWith(`.${name}`));
  if (domain) throw new Refused(`give only what comes before .${domain}; every virtual host gets one`);
  if (text.includes(".") && text.endsWith(".")) throw new Refused("leave out the dot at the end");
  try {
    return parseDomain(text);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw new Refused("a subdomain is a label such as conference: letters, digits and hyphens inside");
  }
}

/** Types of records that an XMPP server needs. */
export type RecordType = "A" | "AAAA" | "CNAME" | "SRV" | "CAA" | "TLSA";

/** All records of one name and type (RFC 2181, 5). */
export interface RecordSet {
  /** Absolute name in lower case, internationalised labels as A-labels, without the dot at the end. */
  name: string;
  type: RecordType;
  /** Seconds. */
  ttl: number;
  /**
   * As in a zone file (RFC 1035, 5.1), in one canonical spelling, so that equal records are equal texts: names
   * absolute, in lower case and with their dot, IPv6 as RFC 5952 has it, hexadecimal digits in lower case.
   */
  values: string[];
}

/** The one of these names that is `name` or above it, and nearest to it. */
export function enclosing(name: string, zones: readonly string[]): string | undefined {
  return zones
    .filter((zone) => name === zone || name.endsWith(`.${zone}`))
    .sort((a, b) => b.length - a.length)[0];
}

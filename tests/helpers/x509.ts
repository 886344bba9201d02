import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/** A certificate made for a test, with its key. */
export interface Certified {
  subject: string;
  /** PEM. */
  certificate: string;
  /** PEM, PKCS #8. */
  key: string;
  /** Its own, or the issuer's when it signs others. */
  privateKey: KeyObject;
}

interface Wanted {
  /** Common name. */
  subject: string;
  /** Subject alternative names. */
  names?: string[];
  /** Self-signed without one. */
  issuer?: Certified;
  authority?: boolean;
  from?: string;
  to?: string;
  /** Default: a new key on the curve P-256. */
  keys?: { publicKey: KeyObject; privateKey: KeyObject };
}

/** Makes an X.509 v3 certificate (RFC 5280), signed with ECDSA; no file and no other program is needed. */
export function certified({
  subject,
  names = [],
  issuer,
  authority = false,
  from,
  to,
  keys,
}: Wanted): Certified {
  const { publicKey, privateKey } = keys ?? generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(oid([1, 2, 840, 10045, 4, 3, 2])); // ecdsa-with-SHA256
  const body = sequence(
    tlv(0xa0, integer(2)),
    integer(++serial),
    algorithm,
    name(issuer?.subject ?? subject),
    sequence(time(from ?? "2025-01-01"), time(to ?? "2027-01-01")),
    name(subject),
    publicKey.export({ type: "spki", format: "der" }),
    tlv(0xa3, sequence(...extensions(names, authority))),
  );
  const signature = sign("sha256", body, issuer?.privateKey ?? privateKey);
  const der = sequence(body, algorithm, tlv(0x03, Buffer.from([0]), signature));
  const lines = der.toString("base64").match(/.{1,64}/g)!;
  return {
    subject,
    certificate: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    privateKey,
  };
}

let serial = 0;

function extensions(names: string[], authority: boolean): Buffer[] {
  const constraints = sequence(...(authority ? [tlv(0x01, Buffer.from([0xff]))] : []));
  const found = [sequence(oid([2, 5, 29, 19]), tlv(0x04, constraints))];
  if (names.length > 0) {
    const alternatives = sequence(...names.map((dns) => tlv(0x82, Buffer.from(dns))));
    found.push(sequence(oid([2, 5, 29, 17]), tlv(0x04, alternatives)));
  }
  return found;
}

function name(common: string): Buffer {
  return sequence(tlv(0x31, sequence(oid([2, 5, 4, 3]), tlv(0x0c, Buffer.from(common)))));
}

function time(date: string): Buffer {
  const digits = new Date(date).toISOString().replace(/[-:T]|\.\d+/g, "");
  return tlv(0x17, Buffer.from(digits.slice(2))); // UTCTime, two digits of the year
}

function integer(value: number): Buffer {
  return tlv(0x02, Buffer.from([value >> 8, value & 0xff]).subarray(value < 128 ? 1 : 0));
}

function oid([first = 0, second = 0, ...rest]: number[]): Buffer {
  const bytes = rest.flatMap((part) => {
    const digits = [part & 0x7f];
    for (let more = part >> 7; more > 0; more >>= 7) digits.unshift((more & 0x7f) | 0x80);
    return digits;
  });
  return tlv(0x06, Buffer.from([first * 40 + second, ...bytes]));
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, ...parts);
}

function tlv(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

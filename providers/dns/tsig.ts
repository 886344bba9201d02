import { createHmac, timingSafeEqual } from "node:crypto";
import type { NameServerSettings } from "../../config/settings";
import { classes, decodeMessage, encodeRecord, type FoundRecord } from "./message";
import { decodeName, encodeName } from "./names";
import { typeNumbers, uint16, uint32 } from "./record-data";

/** Seconds by which the clocks of both sides may differ (RFC 8945, 10). */
const fudge = 300;

export type Key = NameServerSettings["key"];

/** A message with its signature, and the MAC that the answer's signature covers, too. */
interface Signed {
  message: Buffer;
  mac: Buffer;
}

/** What a TSIG record says (RFC 8945, 4.2). */
interface Signature {
  algorithm: string;
  time: number;
  fudge: number;
  mac: Buffer;
  originalId: number;
  error: number;
  other: Buffer;
}

/** TSIG's own error codes (RFC 8945, 3). */
const errors = { BADSIG: 16, BADKEY: 17, BADTIME: 18 } as const;

/**
 * Signs a message by appending a TSIG record (RFC 8945, 5.1).
 * @param time seconds since 1970
 */
export function sign(message: Buffer, key: Key, time: number): Signed {
  const signature = {
    algorithm: key.algorithm,
    time,
    fudge,
    originalId: message.readUInt16BE(0),
    error: 0,
    other: Buffer.alloc(0),
  };
  const mac = computeMac(key, [message, variables(key, signature)]);
  const record = encodeRecord({
    name: key.name,
    type: typeNumbers.TSIG,
    class: classes.ANY,
    ttl: 0,
    data: encodeSignature({ ...signature, mac }),
  });
  const signed = Buffer.concat([message, record]);
  signed.writeUInt16BE(message.readUInt16BE(10) + 1, 10);
  return { message: signed, mac };
}

/**
 * Makes sure that an answer comes from whoever has the key, and belongs to the request (RFC 8945, 5.3).
 * @param requestMac of the request's signature
 * @throws Error that says what is wrong with key, clock or answer
 */
export function verify(answer: Buffer, key: Key, requestMac: Buffer, time: number): void {
  const { additional } = decodeMessage(answer);
  const last = additional.at(-1);
  if (last?.type !== typeNumbers.TSIG)
    throw new Error(
      "the answer is not signed, so that anybody may have sent it. Let the server sign with prosody:dns.key",
    );
  const signature = decodeSignature(answer, last);
  if (signature.error === errors.BADKEY)
    throw new Error(
      `it has no key ${key.name} for ${key.algorithm}. Compare name and algorithm of prosody:dns.key with its configuration`,
    );
  if (signature.error === errors.BADSIG)
    throw new Error(
      `its key ${key.name} has another secret. Compare prosody:dns.key.secret with its configuration`,
    );
  const unsigned = Buffer.from(answer.subarray(0, last.start));
  unsigned.writeUInt16BE(signature.originalId, 0);
  unsigned.writeUInt16BE(additional.length - 1, 10);
  const expected = computeMac(key, [
    uint16(requestMac.length),
    requestMac,
    unsigned,
    variables(key, signature),
  ]);
  const isGenuine =
    last.name === key.name &&
    signature.algorithm === key.algorithm &&
    signature.mac.length === expected.length &&
    timingSafeEqual(signature.mac, expected);
  if (!isGenuine)
    throw new Error(
      `the answer's signature is not by the key ${key.name}. Compare prosody:dns.key.secret with its configuration; if they are alike, somebody sits in between`,
    );
  if (signature.error === errors.BADTIME)
    throw new Error(
      `its clock differs by ${Math.abs(signature.other.readUIntBE(0, 6) - time)} s from this machine's. Set the one that is wrong`,
    );
  if (Math.abs(signature.time - time) > signature.fudge)
    throw new Error(
      `the answer was signed ${Math.abs(signature.time - time)} s ago. Is this machine's clock right?`,
    );
}

function computeMac(key: Key, parts: readonly Buffer[]): Buffer {
  const hmac = createHmac(key.algorithm.replace("hmac-", ""), Buffer.from(key.secret.reveal(), "base64"));
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

/** What a signature covers besides the message (RFC 8945, 4.3.3). */
function variables(
  key: Key,
  { algorithm, time, fudge, error, other }: Omit<Signature, "mac" | "originalId">,
): Buffer {
  return Buffer.concat([
    encodeName(key.name),
    uint16(classes.ANY),
    uint32(0),
    encodeName(algorithm),
    uint48(time),
    uint16(fudge),
    uint16(error),
    uint16(other.length),
    other,
  ]);
}

function encodeSignature({ algorithm, time, fudge, mac, originalId, error, other }: Signature): Buffer {
  return Buffer.concat([
    encodeName(algorithm),
    uint48(time),
    ...[fudge, mac.length].map(uint16),
    mac,
    ...[originalId, error, other.length].map(uint16),
    other,
  ]);
}

function decodeSignature(message: Buffer, { dataStart, data }: FoundRecord): Signature {
  const { name: algorithm, end } = decodeName(message, dataStart);
  const rest = message.subarray(end, dataStart + data.length);
  const macEnd = 10 + rest.readUInt16BE(8);
  return {
    algorithm,
    time: rest.readUIntBE(0, 6),
    fudge: rest.readUInt16BE(6),
    mac: rest.subarray(10, macEnd),
    originalId: rest.readUInt16BE(macEnd),
    error: rest.readUInt16BE(macEnd + 2),
    other: rest.subarray(macEnd + 6),
  };
}

function uint48(value: number): Buffer {
  const buffer = Buffer.alloc(6);
  buffer.writeUIntBE(value, 0, 6);
  return buffer;
}

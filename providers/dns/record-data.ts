import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import type { RecordType } from "../../dns/record-set";
import { decodeName, encodeName } from "./names";

/** Numbers of the types that are written or looked at (IANA's registry of DNS parameters). */
export const typeNumbers = {
  A: 1,
  CNAME: 5,
  SOA: 6,
  AAAA: 28,
  SRV: 33,
  TLSA: 52,
  TSIG: 250,
  ANY: 255,
  CAA: 257,
} as const;

/** The data of a record, from its canonical text, see `RecordSet.values`. */
export function encodeData(type: RecordType, text: string): Buffer {
  const words = text.split(" ");
  switch (type) {
    case "A":
      assert(isIPv4(text), `${text} is no IPv4 address`);
      return Buffer.from(text.split(".").map(Number));
    case "AAAA":
      return encodeIPv6(text);
    case "CNAME":
      return encodeName(text);
    case "SRV":
      return Buffer.concat([...words.slice(0, 3).map((word) => uint16(Number(word))), encodeName(words[3]!)]);
    case "CAA": {
      const [, flags, tag, value] = /^(\d+) ([a-z0-9]+) "(.*)"$/.exec(text) ?? [];
      assert(value !== undefined, `${text} is no CAA record`);
      return Buffer.concat([Buffer.from([Number(flags), tag!.length]), Buffer.from(tag! + value, "latin1")]);
    }
    case "TLSA":
      return Buffer.concat([Buffer.from(words.slice(0, 3).map(Number)), Buffer.from(words[3]!, "hex")]);
  }
}

/** The canonical text of a record's data at this place of a message. */
export function decodeData(type: RecordType, message: Buffer, start: number, length: number): string {
  const data = message.subarray(start, start + length);
  switch (type) {
    case "A":
      return [...data].join(".");
    case "AAAA":
      return decodeIPv6(data);
    case "CNAME":
      return `${decodeName(message, start).name}.`;
    case "SRV": {
      const numbers = [0, 2, 4].map((offset) => data.readUInt16BE(offset));
      return `${numbers.join(" ")} ${decodeName(message, start + 6).name}.`;
    }
    case "CAA": {
      const end = 2 + data.readUInt8(1);
      const tag = data.toString("latin1", 2, end).toLowerCase();
      return `${data.readUInt8(0)} ${tag} "${data.toString("latin1", end)}"`;
    }
    case "TLSA":
      return `${[...data.subarray(0, 3)].join(" ")} ${data.toString("hex", 3)}`;
  }
}

function encodeIPv6(text: string): Buffer {
  assert(isIPv6(text), `${text} is no IPv6 address`);
  const [head = "", tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split("::");
  const groups = (part: string) => part.split(":").filter(Boolean);
  const before = groups(head);
  const after = groups(tail ?? "");
  const zeros = Array<string>(8 - before.length - after.length).fill("0");
  return Buffer.concat([...before, ...zeros, ...after].map((group) => uint16(Number.parseInt(group, 16))));
}

function decodeIPv6(data: Buffer): string {
  const groups = [0, 2, 4, 6, 8, 10, 12, 14].map((offset) => data.readUInt16BE(offset).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

export function uint16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16BE(value);
  return buffer;
}

export function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}

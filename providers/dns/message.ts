import { decodeName, encodeName } from "./names";
import { uint16, uint32 } from "./record-data";

/** Classes; NONE and ANY have meanings of their own in updates (RFC 2136, 2.4 and 2.5). */
export const classes = { IN: 1, NONE: 254, ANY: 255 } as const;

export const opcodes = { query: 0, update: 5 } as const;

/** A resource record as it goes over the wire. */
export interface WireRecord {
  name: string;
  type: number;
  class: number;
  ttl: number;
  data: Buffer;
}

/** A record of a received message; names in `data` may be compressed, so that they are read from the message. */
export interface FoundRecord extends WireRecord {
  /** Where the record begins, and where its data does. */
  start: number;
  dataStart: number;
}

/** A message to be sent; in an update the sections are zone, prerequisites, changes, additional (RFC 2136, 2). */
export interface Request {
  id: number;
  opcode: number;
  question: { name: string; type: number };
  answers?: readonly WireRecord[];
  authority?: readonly WireRecord[];
}

/** A received message. */
export interface Message {
  id: number;
  /** Response code, RFC 1035 and RFC 2136: 0 is success. */
  rcode: number;
  /** The server answers for the zone itself. */
  isAuthoritative: boolean;
  answers: FoundRecord[];
  authority: FoundRecord[];
  additional: FoundRecord[];
}

export function encodeMessage({ id, opcode, question, answers = [], authority = [] }: Request): Buffer {
  return Buffer.concat([
    ...[id, opcode << 11, 1, answers.length, authority.length, 0].map(uint16),
    encodeName(question.name),
    uint16(question.type),
    uint16(classes.IN),
    ...[...answers, ...authority].map(encodeRecord),
  ]);
}

export function encodeRecord({ name, type, class: klass, ttl, data }: WireRecord): Buffer {
  return Buffer.concat([
    encodeName(name),
    uint16(type),
    uint16(klass),
    uint32(ttl),
    uint16(data.length),
    data,
  ]);
}

/** @throws RangeError for a message that is cut short or damaged */
export function decodeMessage(message: Buffer): Message {
  const [questions, ...counts] = [4, 6, 8, 10].map((offset) => message.readUInt16BE(offset));
  let offset = 12;
  for (let count = 0; count < questions!; count++) offset = decodeName(message, offset).end + 4;
  const [answers, authority, additional] = counts.map((count) => {
    const records: FoundRecord[] = [];
    while (records.length < count) {
      const record = decodeRecord(message, offset);
      records.push(record);
      offset = record.dataStart + record.data.length;
    }
    return records;
  });
  const flags = message.readUInt16BE(2);
  return {
    id: message.readUInt16BE(0),
    rcode: flags & 0xf,
    isAuthoritative: (flags & 0x0400) !== 0,
    answers: answers!,
    authority: authority!,
    additional: additional!,
  };
}

function decodeRecord(message: Buffer, start: number): FoundRecord {
  const { name, end } = decodeName(message, start);
  const length = message.readUInt16BE(end + 8);
  const dataStart = end + 10;
  if (dataStart + length > message.length) throw new RangeError("a record that is cut short");
  return {
    name,
    type: message.readUInt16BE(end),
    class: message.readUInt16BE(end + 2),
    ttl: message.readUInt32BE(end + 4),
    data: message.subarray(dataStart, dataStart + length),
    start,
    dataStart,
  };
}

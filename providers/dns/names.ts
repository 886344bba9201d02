import assert from "node:assert/strict";
/** A domain name in wire form, in lower case and without compression, as TSIG and updates want it (RFC 1035, 3.1). */
export function encodeName(name: string): Buffer {
  const labels = name.replace(/\.$/, "").toLowerCase().split(".").filter(Boolean);
  const parts = labels.map((label) => {
    const bytes = Buffer.from(label, "latin1");
    assert(bytes.length <= 63, `${name} is no domain name: a label has more than 63 bytes`);
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  });
  return Buffer.concat([...parts, Buffer.from([0])]);
}

/**
 * A domain name in a message, compressed or not, in lower case and without the dot at the end.
 * @returns the name, and the offset of what follows it
 * @throws RangeError for a message that is cut short or damaged
 */
export function decodeName(message: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let end: number | undefined;
  for (let offset = start, jumps = 0; ; ) {
    const length = message.readUInt8(offset);
    if (length >= 0xc0) {
      if (++jumps > 100) throw new RangeError("a name that points to itself");
      end ??= offset + 2;
      offset = message.readUInt16BE(offset) & 0x3fff;
    } else if (length > 63 || offset + 1 + length > message.length) {
      throw new RangeError("a name that is cut short");
    } else {
      if (length === 0) return { name: labels.join("."), end: end ?? offset + 1 };
      labels.push(message.toString("latin1", offset + 1, offset + 1 + length).toLowerCase());
      offset += 1 + length;
    }
  }
}

import { Secret } from "../../../../config/secret";
import type { RecordType } from "../../../../dns/record-set";
import { classes, decodeMessage, encodeMessage, opcodes } from "../../../../providers/dns/message";
import { decodeName, encodeName } from "../../../../providers/dns/names";
import { decodeData, encodeData, typeNumbers } from "../../../../providers/dns/record-data";
import { type Key, sign, verify } from "../../../../providers/dns/tsig";

/** Made by dnspython 2.9.2: MACs of the update below, and a signed answer to it with compressed names. */
const vectors: Record<Key["algorithm"], string> = {
  "hmac-sha256": "b9a06fc67684fcfd67d6f486bc65fcdd98bf4857643df98eb51839c5401f76ac",
  "hmac-sha384":
    "df86e1d773b7514f1f659f64d339920f88d34fdabaa02bd878b37fd5c266ce4a29b72b1c9e8baf2d90fcd00c797e2a2e",
  "hmac-sha512":
    "2c5e1a4170f5330737dc9b4602105373ca82d3e54c25f648fd369d55ff0a26af55f3e66f55c59fc93e5249d2e28375c9c651b5a413be49c0344dc37b25d13e19",
};
const answer = Buffer.from(
  "1234850000010008000000010c5f786d70702d636c69656e74045f746370076578616d706c6504746573740000210001c00c" +
    "002100010000003c001900050005146604584d5050076578616d706c65047465737400c00c002100010000003c0007000000" +
    "010002000161c01e000500010000003c000704786d7070c01ec068000100010000003c0004c00002ffc068001c0001000000" +
    "3c001000000000000000000000ffff01020304c068001c00010000003c001020010db8000000000001000000000000c06801" +
    "0100010000003c00168005495353554563612e6578616d706c653b20613d62c068003400010000003c0023030101abababab" +
    "abababababababababababababababababababababababababababab0770726f736f64790000fa00ff00000000003d0b686d" +
    "61632d7368613235360000006a18a501012c0020f473c29ab66b620894cf504e2f063169721136ce0b8ca7221cb87dae52e3" +
    "03de123400000000",
  "hex",
);

const key = (algorithm: Key["algorithm"] = "hmac-sha256", secret = "c2VjcmV0IG9mIHRoZSBsYWI="): Key => ({
  name: "prosody",
  algorithm,
  secret: new Secret(secret),
});
const time = 1_780_000_000;

const record = (name: string, type: RecordType, text: string, klass: number, ttl: number) => ({
  name,
  type: typeNumbers[type],
  class: klass,
  ttl,
  data: encodeData(type, text),
});
const update = encodeMessage({
  id: 0x1234,
  opcode: opcodes.update,
  question: { name: "example.test", type: typeNumbers.SOA },
  answers: [
    {
      name: "xmpp.example.test",
      type: typeNumbers.CNAME,
      class: classes.NONE,
      ttl: 0,
      data: Buffer.alloc(0),
    },
  ],
  authority: [
    record("_xmpp-client._tcp.example.test", "SRV", "5 5 5222 xmpp.example.test.", classes.NONE, 0),
    record("xmpp.example.test", "A", "192.0.2.1", classes.IN, 3600),
    record("xmpp.example.test", "AAAA", "2001:db8::5", classes.IN, 3600),
    record("example.test", "CAA", '0 issue "ca.example"', classes.IN, 300),
    record("_5222._tcp.xmpp.example.test", "TLSA", `3 1 1 ${"ab".repeat(32)}`, classes.IN, 300),
  ],
});
const requestMac = Buffer.from(vectors["hmac-sha256"], "hex");

describe("a signature", () => {
  test.each(Object.keys(vectors) as Key["algorithm"][])("by %s is what others compute", (algorithm) => {
    const { message, mac } = sign(update, key(algorithm), time);
    expect(mac.toString("hex")).toBe(vectors[algorithm]);
    expect(decodeMessage(message).additional).toMatchObject([
      { name: "prosody", type: 250, class: 255, ttl: 0 },
    ]);
    expect(message.subarray(12, update.length)).toEqual(update.subarray(12));
  });

  test("of an answer is accepted", () => {
    expect(() => verify(answer, key(), requestMac, time)).not.toThrow();
  });

  test.each<[string, () => void, RegExp]>([
    [
      "of another key",
      () => verify(answer, key("hmac-sha256", "AAAAAAAAAAAAAAAA"), requestMac, time),
      /is not by the key/,
    ],
    ["of another request", () => verify(answer, key(), Buffer.alloc(32), time), /is not by the key/],
    ["of another algorithm", () => verify(answer, key("hmac-sha512"), requestMac, time), /is not by the key/],
    ["of a changed answer", () => verify(changed(answer, 60), key(), requestMac, time), /is not by the key/],
    ["of long ago", () => verify(answer, key(), requestMac, time + 302), /was signed 301 s ago/],
    ["that is missing", () => verify(update, key(), requestMac, time), /is not signed/],
  ])("%s is refused", (_what, check, reason) => {
    expect(check).toThrow(reason);
  });
});

test("records are read from an answer, with names in any form", () => {
  const message = decodeMessage(answer);
  expect(message).toMatchObject({ id: 0x1234, rcode: 0, isAuthoritative: true });
  const types = Object.fromEntries(Object.entries(typeNumbers).map(([name, number]) => [number, name]));
  const found = message.answers.map(({ name, type, ttl, dataStart, data }) => {
    const text = decodeData(types[type] as RecordType, answer, dataStart, data.length);
    return `${name} ${ttl} ${types[type]} ${text}`;
  });
  expect(found.sort()).toEqual([
    "_xmpp-client._tcp.example.test 60 SRV 0 1 2 .",
    "_xmpp-client._tcp.example.test 60 SRV 5 5 5222 xmpp.example.test.",
    "a.example.test 60 A 192.0.2.255",
    "a.example.test 60 AAAA 2001:db8:0:0:1::",
    "a.example.test 60 AAAA ::ffff:102:304",
    'a.example.test 60 CAA 128 issue "ca.example; a=b"',
    "a.example.test 60 CNAME xmpp.example.test.",
    `a.example.test 60 TLSA 3 1 1 ${"ab".repeat(32)}`,
  ]);
});

test.each<[RecordType, string]>([
  ["A", "0.0.0.0"],
  ["AAAA", "::"],
  ["AAAA", "::1"],
  ["AAAA", "2001:db8::"],
  ["AAAA", "2001:db8:1:2:3:4:5:6"],
  ["CNAME", "xmpp.example.test."],
  ["SRV", "65535 0 1 a."],
  ["CAA", '0 issue ";"'],
])("%s %s comes back as it went", (type, text) => {
  const data = encodeData(type, text);
  expect(decodeData(type, data, 0, data.length)).toBe(text);
});

test("a damaged message is an error, and no endless loop", () => {
  expect(() => decodeName(Buffer.from([0xc0, 0x00]), 0)).toThrow(/points to itself/);
  expect(() => decodeName(Buffer.from([5, 97]), 0)).toThrow(/cut short/);
  for (let length = 12; length < answer.length; length++)
    expect(() => decodeMessage(answer.subarray(0, length))).toThrow();
  expect(() => encodeName(`${"a".repeat(64)}.test`)).toThrow(/63 bytes/);
});

function changed(message: Buffer, at: number): Buffer {
  const copy = Buffer.from(message);
  copy[at] = copy[at]! ^ 1;
  return copy;
}

import { createHmac } from "node:crypto";
import {
  fingerprint,
  hostKey,
  hostName,
  knownKeys,
  parseHostKey,
} from "../../../../providers/ssh/known-hosts";

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
const other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1pyLcNMVcDpYiNlwnmKvZYBVw5pQDpMH7xfYBNNx1a";
const hashed = (name: string, salt = Buffer.from("0123456789abcdefghij")) =>
  `|1|${salt.toString("base64")}|${createHmac("sha1", salt).update(name).digest("base64")}`;
const found = (text: string, name = "xmpp.example.com") =>
  knownKeys(text, name).map((known) => [known.line, known.blob.toString("base64").slice(-4), known.revoked]);

test("a fingerprint is the one that ssh-keygen -lf prints", () => {
  // GitHub's published Ed25519 key and fingerprint.
  expect(fingerprint(parseHostKey(key)!.blob)).toBe("SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
});

test.each([
  [`${key} comment of several words`, "ssh-ed25519"],
  [`  ${key}`, "ssh-ed25519"],
  [key.replace("ssh-ed25519", "ssh-rsa"), undefined],
  ["ssh-ed25519", undefined],
  ["ssh-ed25519 not/base64!", undefined],
  ["", undefined],
])("the key of %j is of type %s", (text, type) => {
  expect(parseHostKey(text)?.type).toBe(type);
});

test("a key that is too short to have a type has an empty one", () => {
  expect(hostKey(Buffer.from([0, 0])).type).toBe("");
});

test("the name has the port when it is not 22", () => {
  expect(hostName("XMPP.example.com", 22)).toBe("xmpp.example.com");
  expect(hostName("XMPP.example.com", 2222)).toBe("[xmpp.example.com]:2222");
});

test.each([
  ["plain", `xmpp.example.com ${key}`],
  ["one of several", `192.0.2.1,xmpp.example.com,[x]:1 ${key}`],
  ["in capitals", `XMPP.Example.COM ${key}`],
  ["hashed", `${hashed("xmpp.example.com")} ${key}`],
  ["wildcard", `*.example.com ${key}`],
  ["single character", `xmp?.example.com ${key}`],
  ["with a comment and blanks", `  xmpp.example.com\t${key} root@host`],
])("a host is found: %s", (_what, line) => {
  expect(found(line)).toEqual([[1, "GKJl", false]]);
});

test.each([
  ["another host", `other.example.com ${key}`],
  ["a longer name", `xmpp.example.com.evil.org ${key}`],
  ["a dot stands for itself", `xmppxexample.com ${key}`],
  ["another hash", `${hashed("other.example.com")} ${key}`],
  ["a broken hash", `|1|x ${key}`],
  ["negated", `*.example.com,!xmpp.example.com ${key}`],
  ["a comment", `# xmpp.example.com ${key}`],
  ["another port", `[xmpp.example.com]:2222 ${key}`],
  ["a certificate authority", `@cert-authority xmpp.example.com ${key}`],
  ["a damaged key", `xmpp.example.com ssh-ed25519 AAAA`],
  ["an empty line", ""],
])("a host is not found: %s", (_what, line) => {
  expect(found(line)).toEqual([]);
});

test("hashed names carry the port, too", () => {
  const line = `${hashed("[xmpp.example.com]:2222")} ${key}`;
  expect(found(line, "[xmpp.example.com]:2222")).toEqual([[1, "GKJl", false]]);
  expect(found(line)).toEqual([]);
});

test("all keys of a host are found, with their lines, the revoked ones marked", () => {
  expect(found(`# mine\nxmpp.example.com ${key}\r\n\n@revoked * ${other}\n`)).toEqual([
    [2, "GKJl", false],
    [4, "Nx1a", true],
  ]);
});

import { execFileSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificate } from "../../../lab/certificates";

const directory = mkdtempSync(join(tmpdir(), "prosody-certificates-"));
const day = 86_400_000;
const read = (file: string) => new X509Certificate(readFileSync(file));

beforeAll(() => {
  process.env.PROSODY_LAB_DIR = directory;
});
afterAll(() => {
  delete process.env.PROSODY_LAB_DIR;
  rmSync(directory, { recursive: true });
});

test("a certificate has the domain and its components, and a chain with an intermediate", async () => {
  const files = await certificate("example.test");
  const own = read(files.certificateFile);
  expect(own.subjectAltName?.split(", ")).toEqual([
    "DNS:example.test",
    "DNS:conference.example.test",
    "DNS:upload.example.test",
    "DNS:proxy.example.test",
    "DNS:pubsub.example.test",
    "DNS:xmpp.example.test",
    "DNS:www.example.test",
    "DNS:*.example.test",
  ]);
  expect(own.checkPrivateKey(createPrivateKey(readFileSync(files.keyFile)))).toBe(true);
  expect(own.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
  expect(statSync(files.keyFile).mode & 0o777).toBe(0o600);
  expect(Math.round((Date.parse(own.validTo) - Date.now()) / day)).toBe(365);
  const verify = ["verify", "-x509_strict", "-CAfile", files.caFile];
  const chain = ["-untrusted", files.intermediateFile, files.certificateFile];
  expect(execFileSync("openssl", [...verify, ...chain], { encoding: "utf8" })).toContain(": OK");
  expect(() => execFileSync("openssl", [...verify, files.certificateFile], { stdio: "pipe" })).toThrow(
    "unable to get local issuer certificate",
  );
});

test("it is kept until it has less than 30 days left", async () => {
  const { certificateFile } = await certificate("kept.test");
  const first = read(certificateFile).serialNumber;
  await certificate("kept.test");
  expect(read(certificateFile).serialNumber).toBe(first);
  jest.spyOn(Date, "now").mockReturnValue(Date.now() + 336 * day);
  await certificate("kept.test");
  jest.restoreAllMocks();
  expect(read(certificateFile).serialNumber).not.toBe(first);
});

test("it can be expired, expire soon, and have other names, each in a file of its own", async () => {
  const usual = await certificate("example.test");
  const expired = await certificate("example.test", { expiresInDays: -3 });
  const other = await certificate("example.test", { expiresInDays: 10, names: ["other.test"] });
  expect(new Set([usual, expired, other].map((files) => files.certificateFile)).size).toBe(3);
  expect(Math.round((Date.parse(read(expired.certificateFile).validTo) - Date.now()) / day)).toBe(-3);
  expect(Date.parse(read(expired.certificateFile).validFrom)).toBeLessThan(Date.now() - 3 * day);
  expect(read(expired.certificateFile).checkIssued(read(expired.intermediateFile))).toBe(true);
  expect(Math.round((Date.parse(read(other.certificateFile).validTo) - Date.now()) / day)).toBe(10);
  expect(read(other.certificateFile).subjectAltName).toBe("DNS:other.test");
});

test("it is issued anew when the authority is another one", async () => {
  const { certificateFile, intermediateFile } = await certificate("anew.test");
  const before = read(certificateFile).serialNumber;
  rmSync(join(directory, "ca"), { recursive: true });
  await certificate("anew.test");
  expect(read(certificateFile).serialNumber).not.toBe(before);
  expect(read(certificateFile).verify(read(intermediateFile).publicKey)).toBe(true);
});

test("a domain that is no DNS name is refused", async () => {
  await expect(certificate("../x y")).rejects.toThrow('Domain "../x y" is no DNS name.');
});

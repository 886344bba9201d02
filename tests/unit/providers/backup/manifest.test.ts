import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { readManifest } from "../../../../providers/backup/manifest";

const manifest = {
  format: 1,
  date: "2026-11-23T21:00:00.000Z",
  server: "prosody",
  prosody: "13.0.1",
  hosts: { "example.test": "", "conference.example.test": "muc" },
  storage: { files: true, databases: [] },
};

function archive(files: Record<string, string>): Buffer {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "manifest-"));
  try {
    for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(directory, name), text);
    return execFileSync("tar", ["-czf", "-", "-C", directory, ...Object.keys(files)]);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

const read = (...parts: Buffer[]) => readManifest(Readable.from(parts));

test("the first file of the archive is read, however its bytes arrive", async () => {
  const bytes = archive({ "manifest.json": JSON.stringify(manifest), SHA256SUMS: "" });
  expect(await read(bytes)).toEqual(manifest);
  expect(await read(...[...bytes].map((byte) => Buffer.from([byte])))).toEqual(manifest);
});

test("what comes after the manifest may be missing: the host looks at it", async () => {
  const content = archive({ "manifest.json": JSON.stringify(manifest), data: "x".repeat(1e6) });
  expect(await read(content.subarray(0, content.length - 100))).toEqual(manifest);
});

test.each([
  [
    "no archive",
    Buffer.from("-----BEGIN"),
    "this is no backup of prosody-pulumi, or it is damaged. Give a file that npm run backup made",
  ],
  [
    "nothing",
    Buffer.alloc(0),
    "this is no backup of prosody-pulumi, or it is damaged. Give a file that npm run backup made",
  ],
  [
    "another archive",
    archive({ other: "text" }),
    "this is no backup of prosody-pulumi, or it is damaged. Give a file that npm run backup made",
  ],
  [
    "no tar",
    gzipSync("text"),
    "this is no backup of prosody-pulumi, or it is damaged. Give a file that npm run backup made",
  ],
  [
    "no JSON",
    archive({ "manifest.json": "{" }),
    "this is no backup of prosody-pulumi, or it is damaged. Give a file that npm run backup made",
  ],
  [
    "a later format",
    archive({ "manifest.json": JSON.stringify({ ...manifest, format: 2 }) }),
    "this backup has format 2, and this program knows 1. Use a newer version of the program",
  ],
])("%s is refused", async (_what, bytes, message) => {
  await expect(read(bytes)).rejects.toThrow(new Error(message));
});

test("what can't be decrypted says why", async () => {
  const source = new Readable({ read() {} });
  const reading = readManifest(source);
  source.destroy(new Error("invalid tag"));
  await expect(reading).rejects.toThrow("invalid tag");
});

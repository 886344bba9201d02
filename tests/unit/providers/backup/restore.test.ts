import { Readable } from "node:stream";
import type { Manifest } from "../../../../providers/backup/manifest";
import { restore } from "../../../../providers/backup/restore";
import { survey } from "../../../../providers/backup/survey";
import { FakeHost } from "../../../helpers/fake-host";

const manifest: Manifest = {
  format: 1,
  date: "2026-11-23T21:00:00.000Z",
  server: "prosody",
  prosody: "13.0.1",
  hosts: { "example.test": "" },
  storage: { files: true, databases: [] },
};

const found = { version: "13.0.1", data: "/var/lib/prosody", hosts: {}, files: true, databases: [] };

function host(said: object, files: string) {
  return new FakeHost({
    answers: {
      [survey.script]: JSON.stringify(said),
      "/find \\./": files,
      "/SHA256SUMS/": "",
      "/replaced/": "",
    },
  });
}

const archive = async () => Readable.from([]);

test("a host with data is left alone", async () => {
  const fake = host(found, "example%2etest/accounts/alice.dat\nb\nc\nd\n");
  await expect(restore(fake, manifest, archive, false)).rejects.toThrow(
    "xmpp.example.com has data: example%2etest/accounts/alice.dat, b, c and 1 more files in /var/lib/prosody. " +
      "To replace them, add --replace: they are archived on the host first.",
  );
  expect(fake.ran.filter(({ changes }) => changes)).toEqual([]);
});

test("an older Prosody is refused before anything is brought to the host", async () => {
  const fake = host({ ...found, version: "0.12.3" }, "");
  await expect(restore(fake, manifest, archive, false)).rejects.toThrow(
    "the backup is of Prosody 13.0.1, and xmpp.example.com has 0.12.3, which can't read its data",
  );
  expect(fake.ran.filter(({ changes }) => changes)).toEqual([]);
});

test("another storage is refused", async () => {
  const fake = host({ ...found, files: false, databases: [{ driver: "SQLite3", database: "x" }] }, "");
  await expect(restore(fake, manifest, archive, false)).rejects.toThrow(
    "the backup has its data in files, and the host uses SQLite3.",
  );
});

import { Readable } from "node:stream";
import type { Manifest } from "../../../../providers/backup/manifest";
import { restore } from "../../../../providers/backup/restore";
import { survey } from "../../../../providers/backup/survey";
import { osRelease } from "../../../../providers/facts/os-release";
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
  await expect(restore(fake, manifest, archive, "internal", false)).rejects.toThrow(
    "xmpp.example.com has data: example%2etest/accounts/alice.dat, b, c and 1 more files in /var/lib/prosody. " +
      "To replace them, add --replace: they are archived on the host first.",
  );
  expect(fake.ran.filter(({ changes }) => changes)).toEqual([]);
});

test("an older Prosody is refused before anything is brought to the host", async () => {
  const fake = host({ ...found, version: "0.12.3" }, "");
  await expect(restore(fake, manifest, archive, "internal", false)).rejects.toThrow(
    "the backup is of Prosody 13.0.1, and xmpp.example.com has 0.12.3, which can't read its data",
  );
  expect(fake.ran.filter(({ changes }) => changes)).toEqual([]);
});

test("another storage is refused", async () => {
  const fake = host({ ...found, files: false, databases: [{ driver: "SQLite3", database: "x" }] }, "");
  await expect(restore(fake, manifest, archive, "internal", false)).rejects.toThrow(
    "the backup has its data in files, and the host uses SQLite3.",
  );
});

const empty = (): FakeHost => host({ data: "/var/lib/prosody", hosts: {}, files: false, databases: [] }, "");
const backupOf = (driver: string, count = 1): Manifest => ({
  ...manifest,
  storage: { files: false, databases: Array(count).fill({ driver, database: "x" }) },
});

test.each([
  [
    "a dump",
    backupOf("PostgreSQL"),
    "the backup has a dump of a database, and the host has no server yet. Bring it up first (pulumi up)",
  ],
  [
    "two dumps",
    backupOf("PostgreSQL", 2),
    "the backup has 2 dumps of databases, which this program can't tell apart",
  ],
  [
    "SQLite's database",
    backupOf("SQLite3"),
    "the backup has its data in SQLite3, and the stack config uses files. Let the stack config use the former (prosody:storage), bring that to a server that is there already by pulumi up, restore, and change it then.",
  ],
])("an empty host that is to keep its data in files gets no backup with %s", async (_what, backup, says) => {
  const fake = empty();
  await expect(restore(fake, backup, archive, "internal", false)).rejects.toThrow(says);
  expect(fake.ran.filter(({ changes }) => changes)).toEqual([]);
});

test("what a removed Prosody has left is archived before it is replaced", async () => {
  const fake = host(found, "example%2etest/accounts/alice.dat\n");
  let isInstalled = false;
  fake.answers.set(survey.script, () =>
    JSON.stringify(
      isInstalled ? found : { data: "/var/lib/prosody", hosts: {}, files: false, databases: [] },
    ),
  );
  fake.answers.set(osRelease.script, "ID=debian\nVERSION_ID=13\nVERSION_CODENAME=trixie\n");
  fake.answers.set("/apt-get/", () => {
    isInstalled = true;
    return "";
  });
  fake.answers.set("systemctl stop prosody", "");
  const { replaced } = await restore(fake, manifest, archive, "internal", true);
  expect(replaced).toMatch(/^\/var\/backups\/prosody-pulumi\/replaced-\d{8}T\d{6}Z\.tar\.gz$/);
  const doing = fake.ran.map((each) => each.doing);
  expect(doing.indexOf("backing up Prosody's data")).toBeGreaterThan(0);
  expect(doing.indexOf("backing up Prosody's data")).toBeLessThan(
    doing.indexOf("putting the backup in place"),
  );
});

test("a database that would be replaced is data", async () => {
  const fake = host(
    { ...found, files: false, databases: [{ driver: "PostgreSQL", database: "prosody" }] },
    "upload/a\n",
  );
  await expect(restore(fake, backupOf("PostgreSQL"), archive, "postgresql", false)).rejects.toThrow(
    "xmpp.example.com has data: a database, upload/a in /var/lib/prosody. To replace them, add --replace",
  );
  expect(fake.ran.filter(({ changes }) => changes)).toEqual([]);
});

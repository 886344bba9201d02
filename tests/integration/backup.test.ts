import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { login } from "../../tools/login";
import { hostConfig } from "../helpers/host";
import {
  allReleases,
  type Certificate,
  certificate,
  filesOf,
  type LabHost,
  lab,
  type Release,
} from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";
import { alice, bob, findings, live } from "../helpers/users";

const passphrase = "correct horse battery staple";
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-backup-"));

afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

/** Archives of deleted accounts, that of a long JID too. */
const accountArchives = [
  `${"0f".repeat(32)}-20261130T131336.123Z.tar.gz`,
  "gone@example.test-20261130T131336.123Z.tar.gz",
];

/** A backup, and what it is restored on. */
const moves: [from: Release, to: Release][] = allReleases.map((release) => [
  release,
  release === "fedora" ? "fedora" : "trixie",
]);

describe.each(moves)("backup of %s, restored on %s", (release, target) => {
  let old: LabHost;
  let fresh: LabHost;
  let stack: Stack;
  let tls: Certificate;
  let before: Awaited<ReturnType<typeof findings>>;
  let upload: { file: string };
  const file = path.join(scratch, `${release}.tar.gz.age`);

  const server = (host: LabHost) => ({ address: host.address, port: 5222, caFile: tls.caFile });
  const access = (host: LabHost) => hostConfig(host);
  const tool = (name: string, ...args: string[]) =>
    stack.tool([name, "--stack", "test", ...args], { PROSODY_BACKUP_PASSPHRASE: passphrase });

  beforeAll(async () => {
    [old, fresh] = await Promise.all([
      lab(`backup-${release}`, { release }),
      lab(`restored-${release}`, { release: target }),
    ]);
    tls = await certificate("example.test");
    stack = await Stack.create({
      host: access(old),
      domains: {
        "example.test": filesOf(tls),
      },
      jids: { [alice.jid]: secret(alice.password), [bob.jid]: secret(bob.password) },
    });
    await stack.must("up", "--yes", "--skip-preview");
    upload = await live(server(old));
    const random = "/var/lib/prosody/upload%2eexample%2etest/http_file_share/random.bin";
    await old.exec(`head -c 300000 /dev/urandom > ${random}; chown prosody:prosody ${random}`);
    await old.exec("printf 'hers\\nhers\\n' | prosodyctl adduser carol@example.test");
    // Uploads and archives on disks of their own.
    await old.exec(
      "mkdir -p /srv/disk /var/backups/prosody-pulumi; mount -t tmpfs none /srv/disk\n" +
        "cd /var/lib/prosody && mv upload%2eexample%2etest /srv/disk && ln -s /srv/disk/upload%2eexample%2etest .\n" +
        "mount -t tmpfs none /var/backups/prosody-pulumi; cd /var/backups/prosody-pulumi\n" +
        `for name in ${[...accountArchives, "storage-20261130T131336Z.tar.gz"].join(" ")}; do echo "$name" > "$name"; done`,
    );
    before = await findings(server(old), upload);
  }, 400_000);

  afterAll(() => stack?.remove());

  test("is one encrypted file that only its owner can read, and leaves the server as it was", async () => {
    const started = (await old.exec("systemctl show -P NRestarts prosody")).trim();
    const run = await tool("backup", "--encrypt", "--output", file);
    expect(run).toEqual({
      code: 0,
      text: expect.stringMatching(/MB in .* s; Prosody was stopped for \d\.\d s\./),
    });
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    expect(fs.readFileSync(file, "latin1").slice(0, 22)).toBe("age-encryption.org/v1\n");
    expect(fs.readdirSync(scratch).filter((name) => name.endsWith(".part"))).toEqual([]);
    expect(await old.exec("ls -A /var/lib/prosody | grep -e pulumi || true")).toBe("");
    expect((await old.exec("systemctl show -P NRestarts prosody")).trim()).toBe(started);
    expect(await stack.drift()).toMatchObject({ code: 0, rows: [] });
    expect(await findings(server(old), upload)).toEqual(before);
  }, 120_000);

  test("takes no file that Prosody may not read, to whom a restore would give it", async () => {
    await old.exec("install -m 0644 /etc/hostname /var/lib/prosody/mine.dat");
    expect(await tool("backup", "--encrypt", "--output", path.join(scratch, `${release}-linked`))).toEqual({
      code: 1,
      text: expect.stringContaining(
        "mine.dat in /var/lib/prosody, or what a link there leads to, is not Prosody's. Give it to",
      ),
    });
    await old.exec("rm /var/lib/prosody/mine.dat");
  }, 60_000);

  test("fails when it is not whole", async () => {
    await old.exec(
      "printf '#!/bin/sh\n/usr/bin/tar \"$@\"\nexit 2\n' > /usr/local/bin/tar; chmod 755 /usr/local/bin/tar",
    );
    const part = path.join(scratch, `${release}-part`);
    expect(await tool("backup", "--encrypt", "--output", part)).toMatchObject({ code: 1 });
    expect(fs.existsSync(part)).toBe(false);
    await old.exec("rm /usr/local/bin/tar");
  }, 60_000);

  test("never replaces a file, and takes no passphrase that is not the right one", async () => {
    expect(await tool("backup", "--encrypt", "--output", file)).toEqual({
      code: 1,
      text: expect.stringContaining("Give another --output"),
    });
    expect(await tool("restore", `${file}.gone`)).toMatchObject({
      code: 1,
      text: expect.stringContaining(`there is no file ${file}.gone`),
    });
    const wrong = await stack.tool(["restore", "--stack", "test", file], {
      PROSODY_BACKUP_PASSPHRASE: "guessed",
    });
    expect(wrong).toEqual({
      code: 1,
      text: expect.stringContaining("can't be opened with this passphrase"),
    });
  }, 60_000);

  test("a host that has data is left alone", async () => {
    expect(await tool("restore", file)).toEqual({
      code: 1,
      text: expect.stringContaining("add --replace"),
    });
    expect(await findings(server(old), upload)).toEqual(before);
  }, 60_000);

  test("what is damaged changes nothing", async () => {
    await stack.configure({ host: access(fresh) });
    const damaged = path.join(scratch, `${release}-damaged.age`);
    const bytes = fs.readFileSync(file);
    expect(bytes.length).toBeGreaterThan(300_000);
    fs.writeFileSync(damaged, bytes.subarray(0, bytes.length - 70_000));
    const run = await tool("restore", damaged);
    expect(run).toEqual({ code: 1, text: expect.stringContaining("was broken off") });
    expect(
      await fresh.exec(
        "find /var/lib/prosody -name '*.dat' ! -name cron.dat 2>/dev/null; ls -A /var/lib/prosody | grep pulumi || true",
      ),
    ).toBe("");
  }, 120_000);

  test("brings everything to an empty host, and up brings the rest", async () => {
    expect(await tool("restore", file)).toEqual({
      code: 0,
      text: expect.stringContaining("Prosody does not run yet: pulumi up --run-program --stack test"),
    });
    expect((await fresh.exec("systemctl is-active prosody || true")).trim()).toBe("inactive");
    expect((await fresh.exec("cd /var/backups/prosody-pulumi; cat *")).trim().split("\n")).toEqual(
      accountArchives,
    );
    const { code, text } = await stack.up("--run-program");
    expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
    expect(await findings(server(fresh), upload)).toEqual(before);
    expect(await login(server(fresh), { jid: "carol@example.test", password: "hers" })).toHaveProperty("jid");
    expect(await stack.drift()).toMatchObject({ code: 0, rows: [] });
  }, 300_000);

  test("--replace leaves the host of another stack alone", async () => {
    const note = "/etc/prosody-pulumi.stack";
    await fresh.exec(`cp -p ${note} /root/; sed -i s,/test,/trial, ${note}`);
    expect(await tool("restore", file, "--replace")).toEqual({
      code: 1,
      text: expect.stringContaining("the host is kept by the stack organization/prosody/trial"),
    });
    await fresh.exec(`mv /root/prosody-pulumi.stack ${note}`);
    expect(await stack.drift()).toMatchObject({ code: 0, rows: [] });
  }, 60_000);

  test("--replace archives what was there, and the running server goes on with the backup's data", async () => {
    await fresh.exec(
      "prosodyctl deluser bob@example.test; printf 'x\\nx\\n' | prosodyctl adduser late@example.test\n" +
        "printf '#!/bin/sh\\n/usr/bin/tar \"$@\" || exit\ncase $1 in -c*) exit 2;; esac\n' > /usr/local/bin/tar; chmod 755 /usr/local/bin/tar",
    );
    expect(await tool("restore", file, "--replace")).toMatchObject({ code: 1 });
    expect(
      await fresh.exec("rm /usr/local/bin/tar; ls /var/backups/prosody-pulumi | grep replaced || true"),
    ).toBe("");
    expect(await login(server(fresh), { jid: "late@example.test", password: "x" })).toHaveProperty("jid");
    const run = await tool("restore", file, "--replace");
    expect(run).toEqual({
      code: 0,
      text: expect.stringMatching(/What was there is in (\S+) .*Prosody runs with it; it was stopped/s),
    });
    expect(await findings(server(fresh), upload)).toEqual(before);
    expect(await login(server(fresh), { jid: "late@example.test", password: "x" })).toEqual({
      error: "not-authorized",
    });
    const [, archive] = /What was there is in (\S+)/.exec(run.text)!;
    expect(await fresh.exec(`tar -tzf ${archive} | grep late.dat; stat -c '%a %U' ${archive}`)).toMatch(
      /accounts\/late\.dat\n.*600 root/s,
    );
    expect(await stack.drift()).toMatchObject({ code: 0, rows: [] });
  }, 120_000);
});

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { login } from "../../tools/login";
import { distributions } from "../helpers/distribution";
import { hostConfig } from "../helpers/host";
import { allReleases, type Certificate, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";
import { alice, bob, findings, live } from "../helpers/users";

const password = "it's $ecret";
const scratch = mkdtempSync(path.join(os.tmpdir(), "prosody-storage-"));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.each(allReleases)("the storage on %s", (release) => {
  let host: LabHost;
  let stack: Stack;
  let tls: Certificate;
  let upload: { file: string };
  let before: unknown;
  const server = () => ({ address: host.address, port: 5222, caFile: tls.caFile });
  /** PostgreSQL keeps whole seconds of messages. */
  const seen = async () =>
    JSON.parse(JSON.stringify(await findings(server(), upload)).replace(/(T\d\d:\d\d:\d\d)\.\d+Z/g, "$1Z"));
  const clean = { code: 0, rows: [], text: expect.any(String) };
  const tool = (name: string, ...args: string[]) => stack.tool([name, "--stack", "test", ...args]);
  const archives = () => host.exec("ls /var/backups/prosody-pulumi | grep -c '^storage-2.*tar.gz$' || true");

  beforeAll(async () => {
    host = await lab(`storage-${release}`, { release });
    tls = await certificate("example.test");
    stack = await Stack.create({
      host: hostConfig(host),
      domains: {
        "example.test": filesOf(tls),
      },
      jids: { [alice.jid]: secret(alice.password), [bob.jid]: secret(bob.password) },
    });
    await stack.must("up", "--yes", "--skip-preview");
    upload = await live(server());
    before = await seen();
  }, 400_000);

  afterAll(() => stack?.remove());

  test("a database that does not answer changes nothing: the reason is told, and Prosody runs on", async () => {
    const pid = await host.exec("systemctl show -P MainPID prosody");
    await stack.configure({
      storage: { postgresql: { host: "127.0.0.1", port: 1, password: secret(password), tls: false } },
    });
    const { code, text } = await stack.up();
    expect({ failed: code !== 0, text }).toEqual({
      failed: true,
      text: expect.stringContaining("sslmode=disable can't be used: Failed to connect to database: "),
    });
    expect(await host.exec("systemctl show -P MainPID prosody")).toBe(pid);
    expect(text).not.toContain(password);
  }, 180_000);

  test("files → SQLite: everything is there, and the files are an archive", async () => {
    await stack.configure({ storage: "sqlite" });
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect(await seen()).toEqual(before);
    expect(await stack.drift()).toEqual(clean);
    expect(await host.exec("find /var/lib/prosody -name '*.dat' -o -name '*.list'")).toBe("");
    expect((await archives()).trim()).toBe("1");
  }, 180_000);

  test("a backup has the database, and brings it to an empty host", async () => {
    const file = path.join(scratch, `${release}-sqlite.tar.gz`);
    expect(await tool("backup", "--output", file)).toEqual({
      code: 0,
      text: expect.stringContaining("Prosody was not stopped"),
    });
    await host.exec(`${distributions[release].lose}; rm -r /var/backups/prosody-pulumi`);
    expect(await tool("restore", file)).toMatchObject({ code: 0 });
    expect(await stack.up("--run-program")).toEqual({ code: 0, text: expect.any(String) });
    expect(await seen()).toEqual(before);
    expect(await stack.drift()).toEqual(clean);
  }, 180_000);

  test("SQLite → PostgreSQL, installed on the way; the password is in one file", async () => {
    await stack.configure({ storage: { postgresql: { password: secret(password) } } });
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({ code: 0, text: expect.not.stringContaining(password) });
    expect(await seen()).toEqual(before);
    expect(await stack.drift()).toEqual(clean);
    expect(
      await host.exec(`grep -rlF "it's \\$ecret" /etc/prosody /var/backups/prosody-pulumi /var/log || true`),
    ).toBe("/etc/prosody/secrets.cfg.lua\n");
    expect(await host.exec("ls /var/lib/prosody/prosody.sqlite 2>&1 || true")).toContain("No such file");
  }, 300_000);

  test("a backup's dump replaces what a database has, with --replace", async () => {
    const file = path.join(scratch, `${release}-postgresql.tar.gz`);
    expect(await tool("backup", "--output", file)).toMatchObject({ code: 0 });
    const late = { jid: "late@example.test", password: "x" };
    await host.exec(`printf 'x\\nx\\n' | prosodyctl adduser ${late.jid}`);
    expect(await tool("restore", file)).toEqual({
      code: 1,
      text: expect.stringContaining("has data: a database, "),
    });
    expect(await login(server(), late)).toHaveProperty("jid");
    // What a dump has psql run must not be root.
    const psql = "/usr/local/bin/psql";
    const noted = `#!/bin/sh\nid -un > /tmp/psql-user\nexec /usr/bin/psql "$@"\n`;
    await host.exec(`printf '%s' '${noted}' > ${psql}; chmod 755 ${psql}`);
    expect(await tool("restore", file, "--replace")).toEqual({
      code: 0,
      text: expect.stringMatching(/Prosody runs with it; it was stopped for/),
    });
    expect(await host.exec(`cat /tmp/psql-user; rm ${psql}`)).toBe("prosody\n");
    expect(await seen()).toEqual(before);
    expect(await login(server(), late)).toEqual({ error: "not-authorized" });
    expect(await host.exec("find /var/lib/prosody -name '.*pulumi*' -o -name .password")).toBe("");
    expect(await stack.drift()).toEqual(clean);
  }, 120_000);

  test("an account that goes is archived out of the database", async () => {
    await host.exec("printf 'x\\nx\\n' | prosodyctl adduser carol@example.test");
    await stack.configure({
      jids: {
        [alice.jid]: secret(alice.password),
        [bob.jid]: secret(bob.password),
        "carol@example.test": null,
      },
    });
    await host.exec("mount -t tmpfs -o size=4k none /tmp; head -c 4096 /dev/zero > /tmp/full");
    expect(await stack.up()).toEqual({
      code: 1,
      text: expect.stringContaining("no archive could be written, so nothing was deleted"),
    });
    await host.exec("umount /tmp");
    expect(await login(server(), { jid: "carol@example.test", password: "x" })).toHaveProperty("jid");
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    const list = await host.exec("tar -tzf /var/backups/prosody-pulumi/carol@example.test-*.tar.gz");
    expect(list).toContain("accounts/carol.dat");
  }, 120_000);

  test("a role whose password was changed by hand is drift, and repaired", async () => {
    await host.exec(`cd / && runuser -u postgres -- psql -qc "ALTER ROLE prosody PASSWORD 'other'"`);
    expect((await stack.drift()).rows).toEqual(["Database prosody update"]);
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect(await stack.drift()).toEqual(clean);
  }, 120_000);

  test("a database elsewhere is verified by name and authority", async () => {
    const { certificateFile, keyFile, caFile, intermediateFile } = tls;
    const chain = readFileSync(certificateFile, "utf8") + readFileSync(intermediateFile, "utf8");
    const isFedora = distributions[release].family === "fedora";
    const directory = isFedora ? "/var/lib/pgsql/data" : "/etc/postgresql/*/main";
    await host.exec(
      `cd ${directory} && cat > db.crt <<'EOF'\n${chain}EOF\ncat > db.key <<'EOF'\n${readFileSync(keyFile, "utf8")}EOF\n` +
        `chmod 600 db.key; chown postgres db.*; printf "ssl=on\\nssl_cert_file='$PWD/db.crt'\\nssl_key_file='$PWD/db.key'\\n" >> postgresql.conf\n` +
        "systemctl restart postgresql; echo '127.0.0.1 www.example.test elsewhere.test' >> /etc/hosts; cd /\n" +
        "runuser -u postgres -- psql -qc 'CREATE DATABASE elsewhere OWNER prosody TEMPLATE template0'",
    );
    const remote = (name: string) => ({
      postgresql: {
        host: name,
        database: "elsewhere",
        password: secret(password),
        tls: { authorityFile: caFile },
      },
    });
    await stack.configure({ storage: remote("elsewhere.test") });
    expect(await stack.up()).toEqual({
      code: 1, // Prosody's driver does not say more; with the right name it connects, below
      text: expect.stringContaining(
        "/etc/prosody/postgresql-ca.crt can't be used: Failed to connect to database: ",
      ),
    });
    await stack.configure({ storage: remote("www.example.test") });
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect(await seen()).toEqual(before);
  }, 180_000);

  test("another way to the same database moves nothing, and is tried first", async () => {
    const kept = await archives();
    const way = (tls?: boolean) => ({
      postgresql: { host: "www.example.test", database: "elsewhere", password: secret(password), tls },
    });
    await stack.configure({ storage: way() }); // no public authority signed its certificate
    expect(await stack.up()).toEqual({
      code: 1,
      text: expect.stringContaining(" can't be used: "),
    });
    expect(await seen()).toEqual(before);
    await stack.configure({ storage: way(false) });
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect(await seen()).toEqual(before);
    expect(await stack.drift()).toEqual(clean);
    expect(await archives()).toBe(kept);
  }, 180_000);

  test("back to files: everything is there, and the database keeps what it has", async () => {
    await stack.configure({ storage: "internal" });
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect(await seen()).toEqual(before);
    expect(await stack.drift()).toEqual(clean);
  }, 180_000);
});

import { readFileSync } from "node:fs";
import { lua } from "../../providers/admin-shell";
import type { SshHost } from "../../providers/ssh/host";
import { hostConfig, open } from "../helpers/host";
import { type Certificate, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack } from "../helpers/stack";

/** Storages that an administrator may have chosen, and the stack config has in other words, or not at all. */
const theirs = {
  "SQLite under its whole path":
    'storage = "sql"; sql = { driver = "SQLite3", database = "/var/lib/prosody/prosody.sqlite" }',
  "archives in SQLite, the rest in files": 'storage = { archive = "sql" }',
  MariaDB:
    'storage = "sql"; sql = { driver = "MySQL", database = "prosody", username = "prosody", password = "x", host = "localhost" }',
};

/** MariaDB, with the database and its owner. */
const mariadb = `DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mariadb-server lua-dbi-mysql >/dev/null 2>&1
mariadb <<'EOF'
CREATE DATABASE prosody;
GRANT ALL ON prosody.* TO prosody@localhost IDENTIFIED BY 'x';
EOF
`;

const configuration = (storage: string) => `
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "mam", "admin_shell" }
certificates = "certs"
log = { info = "/var/log/prosody/prosody.log" }
${storage}
VirtualHost "example.test"
`;

describe.each(Object.entries(theirs))("a server with %s", (_title, storage) => {
  let host: LabHost;
  let connection: SshHost;
  let stack: Stack;
  let tls: Certificate;

  /** What the running server has in carol's archive. */
  const messages = () =>
    lua(
      connection,
      'local n = 0 for _ in require "core.storagemanager".open("example.test", "archive", "archive"):find("carol") do n = n + 1 end return n',
      { doing: "test" },
    );
  /** Whether it knows her password. */
  const knows = () =>
    lua(
      connection,
      'return require "core.usermanager".test_password("carol", "example.test", "hers") == true',
      { doing: "test" },
    );

  beforeAll(async () => {
    host = await lab("storage-adoption");
    tls = await certificate("example.test");
    const pem = (...names: string[]) => names.map((name) => readFileSync(name, "utf8")).join("");
    const put = (name: string, text: string) =>
      `install -m 0640 -g prosody /dev/stdin /etc/prosody/${name} <<'EOF'\n${text}EOF\n`;
    if (storage.includes("MySQL")) await host.exec(mariadb);
    await host.exec(
      "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends prosody lua-dbi-sqlite3 >/dev/null 2>&1\n" +
        put("certs/example.test.crt", pem(tls.certificateFile, tls.intermediateFile)) +
        put("certs/example.test.key", pem(tls.keyFile)) +
        put("prosody.cfg.lua", configuration(storage)) +
        "systemctl restart prosody; for i in $(seq 100); do ss -lx | grep -q prosody.sock && break; sleep .1; done\n" +
        `printf 'hers\\nhers\\n' | prosodyctl adduser carol@example.test`,
    );
    connection = await open(host);
    await lua(
      connection,
      'local s = require "util.stanza".message{ to = "carol@example.test" }:body("Hi") ' +
        'return (require "core.storagemanager".open("example.test", "archive", "archive"):append("carol", nil, s, os.time(), "x@y.test"))',
      { doing: "test", changes: true },
    );
    expect(await messages()).toBe("1");
    stack = await Stack.create({
      host: hostConfig(host),
      domains: { "example.test": filesOf(tls) },
    });
  }, 300_000);

  afterAll(async () => {
    stack?.remove();
    await connection?.close();
  });

  test.each(["sqlite", "internal"])(
    "keeps everything in %s, restarts included",
    async (kind) => {
      await stack.configure({ storage: kind });
      const { code, text } = await stack.up();
      expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
      await host.exec(
        "systemctl restart prosody; for i in $(seq 100); do ss -ltn | grep -q :5222 && ss -lx | grep -q prosody.sock && break; sleep .1; done",
      );
      expect(await knows()).toBe("true");
      expect(await messages()).toBe("1");
      expect(await host.exec("find /var/lib/prosody -name '.prosody*'")).toBe("");
    },
    240_000,
  );

  test("a destroy brings them back to the storage of the configuration from before", async () => {
    expect(await stack.destroy()).toEqual({
      code: 0,
      text: expect.any(String),
    });
    expect(await host.exec("grep -c pulumi /etc/prosody/prosody.cfg.lua || true")).toBe("0\n");
    for (const command of ["is-active", "restart"]) {
      await host.exec(
        `systemctl ${command} prosody; for i in $(seq 100); do ss -lx | grep -q prosody.sock && break; sleep .1; done`,
      );
      expect(await knows()).toBe("true");
      expect(await messages()).toBe("1");
    }
    expect(await host.exec("find /var/lib/prosody -name '.prosody*'")).toBe("");
  }, 240_000);
});

import { packageName } from "../../config/family";
import { until } from "../../lab/command";
import { move } from "../../providers/configuration/migration";
import { lockFile, swap } from "../../providers/configuration/scripts";
import { configurationHandler as configuration } from "../../providers/handlers/configuration";
import type { Host } from "../../providers/host";
import { ConfigurationHost, inputs, main, plugins } from "../helpers/configuration-host";
import { killedAfter } from "../helpers/host";
import { allReleases } from "../helpers/lab";

const kept = "/var/backups/prosody-pulumi";
const rooms = 'Component "conference.example.test" "muc"\n';
const sqlite = 'storage = "sql"\nsql = { driver = "SQLite3", database = "prosody.sqlite" }';
const inDatabase = inputs({ global: sqlite, hosts: rooms });
const mixed = 'storage = { archive = "sql" }\nsql = { driver = "SQLite3", database = "prosody.sqlite" }';

/** Moves of the data that something happens to. */
describe.each(allReleases)("a move of the data on %s", (release) => {
  let prosody: ConfigurationHost;

  const sh = (script: string) => prosody.sh(script);
  const active = () => sh("systemctl is-active prosody || true");
  const waiting = () => sh("systemctl is-active prosody-pulumi-start || true");
  const copies = () => sh("find /var/lib/prosody -name '.prosody*'");
  const running = () =>
    until(
      async () => (await active()) === "active" || undefined,
      30,
      () => "Prosody is stopped.",
    );
  const exists = (user: string) =>
    prosody.shell(`> require"core.usermanager".user_exists("${user}", "example.test")`);
  const internal = () => prosody.bring({ hosts: rooms });
  const update = (host: Host, wanted = inDatabase) => configuration.update(host, prosody.state, wanted);
  /** Prosody's messages of somebody. */
  const messages = (user: string) =>
    prosody.shell(
      `> local n = 0 for _ in require"core.storagemanager".open("example.test", "archive", "archive"):find("${user}") do n = n + 1 end return n`,
    );
  const keepMessage = (user: string) =>
    prosody.shell(
      `> require"core.storagemanager".open("example.test", "archive", "archive"):append("${user}", nil, require"util.stanza".message({ to = "${user}@example.test" }):body("Hi"), os.time(), "x@y.test")`,
    );

  beforeAll(async () => {
    prosody = await ConfigurationHost.make("moves", release);
    await sh(
      prosody.distribution.install(
        ...["lua-dbi-sqlite3", "lua-dbi-postgresql", "postgresql"].map(
          (name) => packageName(prosody.distribution.family, name)!,
        ),
      ),
    );
    // A minute, in which nothing happens.
    await sh(
      `printf '#!/bin/sh\\n[ "$1" != 60 ] || set -- 4\\nexec /bin/sleep "$@"\\n' > /usr/local/bin/sleep; chmod +x /usr/local/bin/sleep`,
    );
    await prosody.create();
    await internal();
  }, 300_000);

  afterAll(() => prosody?.connection.close());

  test("that nobody follows up is given up: the host starts Prosody as it was", async () => {
    await expect(update(killedAfter(prosody.connection, move))).rejects.toThrow("killed");
    expect([await active(), await waiting()]).toEqual(["inactive", "active"]);
    await running();
    expect(await exists("alice")).toMatch(/true/);
    expect(await sh("ls -A /etc/prosody | grep '^[.]' || true")).toBe("");
    expect(await copies()).toBe("");
    await prosody.update(inDatabase);
    expect([await active(), await waiting()]).toEqual(["active", "inactive"]);
    expect(await exists("alice")).toMatch(/true/);
    await internal();
  }, 120_000);

  test("whose files are in place goes on with them", async () => {
    await expect(update(killedAfter(prosody.connection, swap))).rejects.toThrow("killed");
    expect(await active()).toBe("inactive");
    expect(await sh(`grep -c SQLite3 ${main}`)).toBe("1");
    await running();
    expect(await exists("alice")).toMatch(/true/);
    await sh("printf 'x\\nx\\n' | prosodyctl adduser late@example.test");
    await prosody.update(inDatabase);
    expect(await exists("late")).toMatch(/true/);
    expect(await sh("find /var/lib/prosody /etc/prosody -name '*.dat' -o -name '.p*'")).toBe("");
    await internal();
  }, 120_000);

  test("whose end comes too late changes nothing", async () => {
    const slow: Host = {
      name: prosody.connection.name,
      fact: (fact) => prosody.connection.fact(fact),
      group: (key, item, commit) => prosody.connection.group(key, item, commit),
      async run(script, options) {
        const result = await prosody.connection.run(script, options);
        if (script === move) await running();
        return result;
      },
    };
    const before = await prosody.fingerprint();
    await expect(update(slow)).rejects.toThrow(/the candidate is gone.*Nothing was changed\./s);
    expect([await prosody.fingerprint(), await active(), await waiting()]).toEqual([
      before,
      "active",
      "inactive",
    ]);
    expect(await prosody.read()).toEqual(prosody.state);
  }, 120_000);

  test("during which somebody starts Prosody changes nothing", async () => {
    const script = (name: string, text: string) =>
      sh(
        `printf '#!/bin/sh\\n%s\\nexec /usr/bin/${name} "$@"\\n' '${text}' > /usr/local/bin/${name}; chmod +x /usr/local/bin/${name}`,
      );
    const meanwhile: Host = {
      ...killedAfter(prosody.connection, ""),
      async run(script, options) {
        const result = await prosody.connection.run(script, options);
        if (script === move) await sh("systemctl start prosody");
        return result;
      },
    };
    await expect(update(meanwhile)).rejects.toThrow(
      /somebody has started Prosody while.*Nothing was changed\./s,
    );
    expect([await active(), await waiting(), await copies()]).toEqual(["active", "inactive", ""]);
    await script("install", 'case "$*" in *.new) systemctl start prosody;; esac');
    await expect(update(prosody.connection)).rejects.toThrow(/somebody has started Prosody meanwhile/);
    await sh("rm /usr/local/bin/install");
    expect(await exists("alice")).toMatch(/true/);
  }, 120_000);

  test("goes on within the minute as if nothing had been", async () => {
    await expect(update(killedAfter(prosody.connection, move))).rejects.toThrow("killed");
    await expect(
      prosody.update(
        inputs({ global: `${sqlite}\nplugin_paths = { "${plugins}" }`, hosts: rooms, modules: ["broken"] }),
      ),
    ).rejects.toThrow(/no such luck.*The previous configuration is back in force\./s);
    expect([await active(), await waiting(), await copies()]).toEqual(["active", "inactive", ""]);
  }, 120_000);

  test("whose script is killed is given up, too", async () => {
    await sh(
      `printf '#!/bin/sh\\n[ ! -e /var/lib/prosody/.prosody-pulumi-storage/.digests ] || kill -9 $PPID\\n' > /usr/local/bin/sync; chmod +x /usr/local/bin/sync`,
    );
    await expect(update(prosody.connection)).rejects.toThrow(/moving Prosody's data to another storage/);
    expect(await active()).toBe("inactive");
    await sh("rm /usr/local/bin/sync");
    await running();
    expect(await exists("alice")).toMatch(/true/);
  }, 120_000);

  test("keeps out another one", async () => {
    await sh(`systemd-run -q --unit=mover flock ${lockFile} /bin/sleep 99; mkdir /etc/prosody/.staged`);
    const pid = await prosody.pid();
    await expect(update(prosody.connection)).rejects.toThrow(
      /another run of this program.*still changes the configuration, moves the data/,
    );
    expect(await prosody.pid()).toBe(pid);
    await sh("rmdir /etc/prosody/.staged; systemctl stop mover");
  }, 60_000);

  test("of some stores into a database, in vain: the old storage has them still", async () => {
    await keepMessage("alice");
    await expect(
      prosody.update(
        inputs({ global: `${mixed}\nplugin_paths = { "${plugins}" }`, hosts: rooms, modules: ["broken"] }),
      ),
    ).rejects.toThrow(/no such luck.*The previous configuration is back in force\./s);
    expect(await messages("alice")).toMatch(/\b1\b/);
    await prosody.bring({ global: mixed, hosts: rooms });
    expect(await messages("alice")).toMatch(/\b1\b/);
    expect(await sh("find /var/lib/prosody -name '*.list' -path '*archive*'")).toBe("");
    await internal();
    expect(await messages("alice")).toMatch(/\b1\b/);
  }, 120_000);

  test("out of a database that goes on having some stores is given up, too: it has them all still", async () => {
    await prosody.update(inDatabase);
    // What the program has written is on the disk before it takes the place of anything.
    const inode = await sh("stat -c %i /var/lib/prosody/prosody.sqlite");
    await sh(
      `printf '#!/bin/sh\\nstat -c %%i /var/lib/prosody/prosody.sqlite >> /root/synced\\n' > /usr/local/bin/sync; chmod +x /usr/local/bin/sync`,
    );
    const some = inputs({ global: mixed, hosts: rooms });
    await expect(update(killedAfter(prosody.connection, move), some)).rejects.toThrow("killed");
    await sh("rm /usr/local/bin/sync");
    await running();
    expect(await exists("alice")).toMatch(/true/);
    expect(await sh("head -n 1 /root/synced")).toBe(inode);
    expect(await messages("alice")).toMatch(/\b1\b/);
    await prosody.update(some);
    expect(await exists("alice")).toMatch(/true/);
    expect(await messages("alice")).toMatch(/\b1\b/);
    await prosody.update(inDatabase);
    await internal();
    expect(await exists("alice")).toMatch(/true/);
    expect(await messages("alice")).toMatch(/\b1\b/);
  }, 120_000);

  test("archives each of two databases of one name", async () => {
    const archives = () => sh(`ls ${kept} | grep -c 'prosody.sqlite-' || true`);
    await sh("install -d -o prosody /var/lib/prosody/two");
    const own = mixed.replace('"prosody.sqlite"', '"two/prosody.sqlite"');
    await prosody.bring({ global: mixed, hosts: `${rooms}VirtualHost "two.test"\n${own}\n` });
    const before = Number(await archives());
    await internal();
    expect(Number(await archives())).toBe(before + 2);
  }, 60_000);

  test("archives a database in which somebody has tables of their own", async () => {
    const database = "/var/lib/prosody/prosody.sqlite";
    const execute = (statement: string) =>
      sh(
        `read -r lua < $(command -v prosodyctl); \${lua#??} -e 'local c = require "DBI".Connect("SQLite3", "${database}"); c:autocommit(true); assert(c:prepare "${statement}"):execute()'`,
      );
    const last = () => sh(`ls -t ${kept}/prosody.sqlite-* | head -n 1`);
    const before = await last();
    await prosody.update(inDatabase);
    await execute("CREATE TABLE authreg (username TEXT)");
    await internal();
    const left = await last();
    expect(left).not.toBe(before);
    await sh(`mv ${left} ${database}`);
    await execute("DELETE FROM prosody");
    await execute("DELETE FROM prosodyarchive");
    // In the place of the new storage, too.
    await prosody.update(inDatabase);
    expect(await exists("alice")).toMatch(/true/);
    expect(await last()).not.toBe(before);
    await internal();
  }, 60_000);

  test("to a disk without room says so, and the old server runs on", async () => {
    const data = "/var/lib/prosody";
    await sh(`systemctl stop prosody; cp -a ${data} /srv/small; mount -t tmpfs -o size=1m none ${data}
cp -a /srv/small/. ${data}; head -c 2m /dev/zero >${data}/other 2>/dev/null || true; systemctl start prosody`);
    try {
      await expect(update(prosody.connection)).rejects.toThrow(
        /^the storage is not changed.*; there is no room left on the disk of \/var\/lib\/prosody$/,
      );
      expect(await active()).toBe("active");
      expect(await exists("alice")).toMatch(/true/);
    } finally {
      await sh(`systemctl stop prosody; umount ${data}; systemctl start prosody; rm -r /srv/small`);
    }
  }, 60_000);

  test("leaves what is not Prosody's where it is", async () => {
    const theirs = [
      "/var/lib/prosody/mine/example%2etest/accounts/bob.dat",
      "/var/lib/prosody/_global/theirs.dat",
    ];
    await sh(theirs.map((name) => `install -D -o prosody /dev/null '${name}'`).join("; "));
    await prosody.update(inDatabase);
    await sh(`ls ${theirs.join(" ")}`);
    await internal();
    await sh("rm -r /var/lib/prosody/mine /var/lib/prosody/_global");
  }, 60_000);

  test("takes the data of each host's own database", async () => {
    const hosts = `${rooms}VirtualHost "two.test"\n  storage = "sql"\n  sql = { driver = "SQLite3", database = "two.sqlite" }\n`;
    await prosody.bring({ global: sqlite, hosts });
    await sh("printf 'x\\nx\\n' | prosodyctl adduser carol@two.test");
    await prosody.bring({ hosts: `${rooms}VirtualHost "two.test"\n` });
    expect(await exists("alice")).toMatch(/true/);
    expect(await prosody.shell('> require"core.usermanager".user_exists("carol", "two.test")')).toMatch(
      /true/,
    );
    await internal();
  }, 120_000);

  test("leaves no files behind where their directory is a link", async () => {
    await sh("mv /var/lib/prosody/example%2etest /srv/hers; ln -s /srv/hers /var/lib/prosody/example%2etest");
    await prosody.update(inDatabase);
    expect(await exists("alice")).toMatch(/true/);
    expect(await sh("find /srv/hers -type f")).toBe("");
    await internal();
  }, 60_000);

  describe("out of a PostgreSQL", () => {
    const postgresql =
      'storage = "sql"\nsql = { driver = "PostgreSQL", database = "prosody", username = "prosody" }';
    const sql = (statement: string) =>
      sh(`cd / && runuser -u postgres -- psql -qAtd prosody <<'EOF'\n${statement}\nEOF`);
    const insert = (domain: string) =>
      sql(
        `INSERT INTO prosody (host, "user", store, key, type, value) VALUES ('${domain}', 'eve', 'accounts', 'password', 'string', 'x')`,
      );
    const count = (domain: string) => sql(`SELECT COUNT(*) FROM prosody WHERE host = '${domain}'`);
    const theirs = inputs({ global: postgresql, hosts: rooms });

    beforeAll(async () => {
      if (prosody.distribution.family === "fedora")
        await sh("postgresql-setup --initdb && systemctl start postgresql");
      await sh(`cd / && runuser -u postgres -- psql -q <<'EOF'
CREATE ROLE prosody LOGIN;
CREATE DATABASE prosody OWNER prosody TEMPLATE template0;
EOF`);
      await prosody.update(theirs);
      // As one that was there before.
      await sh(`rm ${kept}/filled-databases`);
    }, 60_000);

    test("can go back while nobody else has written to it", async () => {
      await internal();
      await sh("printf 'x\\nx\\n' | prosodyctl adduser later@example.test");
      await prosody.update(theirs);
      expect(await exists("later")).toMatch(/true/);
      expect(await exists("alice")).toMatch(/true/);
    }, 60_000);

    test("leaves some stores in it by way of another storage", async () => {
      const pid = await prosody.pid();
      const some = postgresql.replace('"sql"', '{ archive = "sql" }');
      await expect(prosody.bring({ global: some, hosts: rooms })).rejects.toThrow(
        /the old storage has data in the database of the new one/,
      );
      expect(await prosody.pid()).toBe(pid);
    }, 60_000);

    test("empties no more of it than the configuration looks at", async () => {
      const own = { hosts: `${postgresql}\n${rooms}` };
      await internal();
      await sql("DELETE FROM prosody; DELETE FROM prosodyarchive");
      await prosody.bring(own);
      await insert("other.test");
      await internal();
      await prosody.bring(own);
      expect(await exists("later")).toMatch(/true/);
      expect(await count("other.test")).toBe("1");
      await internal();
      await sql("DELETE FROM prosody; DELETE FROM prosodyarchive");
      await prosody.update(theirs);
    }, 120_000);

    test("can't, once somebody has", async () => {
      await internal();
      await insert("other.test");
      const pid = await prosody.pid();
      await expect(prosody.update(theirs)).rejects.toThrow(/is not empty, and not filled by this program/);
      expect([await prosody.pid(), await count("other.test")]).toEqual([pid, "1"]);
    }, 60_000);
  });
});

import { packageName } from "../../config/family";
import { until } from "../../lab/command";
import { survey } from "../../providers/backup/survey";
import { move } from "../../providers/configuration/migration";
import { configurationHandler as configuration } from "../../providers/handlers/configuration";
import { ConfigurationHost, inputs, rooms } from "../helpers/configuration-host";
import { killedAfter } from "../helpers/host";
import { allReleases } from "../helpers/lab";

const filled = "/var/backups/prosody-pulumi/filled-databases";
const sqlite = 'sql = { driver = "SQLite3", database = "prosody.sqlite" }';
const postgresql = (database: string, host = "127.0.0.1") =>
  `sql = { driver = "PostgreSQL", database = "${database}", username = "prosody", password = "x", host = "${host}" }`;

/** Moves of the data from and to places that no stack config names, but a server from before may have. */
describe.each(allReleases)("unusual places of the data on %s", (release) => {
  let prosody: ConfigurationHost;

  const sh = (script: string) => prosody.sh(script);
  const exists = (user: string, domain = "example.test") =>
    prosody.shell(`> require"core.usermanager".user_exists("${user}", "${domain}")`);
  const copies = () => sh("find /var/lib/prosody/ -name '.prosody*'");
  const internal = () => prosody.bring();

  /** A change that is refused, and touches nothing. */
  async function refuses(parts: { global?: string; hosts?: string }, reason: RegExp): Promise<void> {
    const before = [await prosody.pid(), await prosody.fingerprint()];
    await expect(prosody.bring(parts)).rejects.toThrow(reason);
    expect([await prosody.pid(), await prosody.fingerprint()]).toEqual(before);
  }

  /** Writes a configuration as somebody who was there before would. */
  async function runs(parts: { global?: string; hosts?: string }): Promise<void> {
    const [file] = Object.values(inputs(parts).files);
    // systemd starts no service six times in ten seconds, which is what a fast machine comes to here.
    const restart = "systemctl reset-failed prosody; systemctl restart prosody";
    await sh(`cat > /etc/prosody/prosody.cfg.lua <<'EOF'\n${file!.content}\nEOF\n${restart}`);
    await until(
      async () => (await sh("ss -Hlx | grep prosody.sock || true")) || undefined,
      30,
      () => "Prosody is not up.",
    );
  }

  beforeAll(async () => {
    prosody = await ConfigurationHost.make("places", release);
    await sh(
      prosody.distribution.install(
        ...["lua-dbi-sqlite3", "lua-dbi-postgresql", "postgresql"].map(
          (name) => packageName(prosody.distribution.family, name)!,
        ),
      ),
    );
    if (prosody.distribution.family === "fedora")
      await sh(
        "PGSETUP_INITDB_OPTIONS=--auth-host=scram-sha-256 postgresql-setup --initdb && systemctl start postgresql",
      );
    await sh(`echo '127.0.0.1 db.internal' >> /etc/hosts; cd / && runuser -u postgres -- psql -q <<'EOF'
CREATE ROLE prosody LOGIN PASSWORD 'x';
CREATE DATABASE one OWNER prosody TEMPLATE template0;
CREATE DATABASE two OWNER prosody TEMPLATE template0;
EOF`);
    await prosody.create();
    await internal();
  }, 300_000);

  afterAll(() => prosody?.connection.close());

  test.each([
    [
      "some stores",
      'storage = { vcard = "xep0227" }',
      "xep0227 of vcard on conference.example.test, xep0227 of vcard on ",
    ],
    ["all", 'storage = "xep0227"', "xep0227 of all stores on conference.example.test, "],
  ])(
    "a driver whose data no move brings along, of %s: refused on either side",
    async (_title, global, named) => {
      const reason = new RegExp(
        `the storage is not changed, and nothing else: no move brings along .*${named}`,
      );
      await refuses({ global }, reason);
      await runs({ global });
      expect(await prosody.connection.fact(survey)).toMatchObject({ others: ["xep0227"] });
      await refuses({}, reason);
      await refuses({ global: `storage = "sql"\n${sqlite}` }, reason);
      await runs({});
    },
    60_000,
  );

  test("drivers that keep nothing are no reason", async () => {
    await runs({ global: 'storage = { lastlog = "memory"; offline = "none" }' });
    await internal();
    expect(await exists("alice")).toMatch(/true/);
  }, 60_000);

  test("another directory: refused, until the data are where they are looked for", async () => {
    const elsewhere = { global: 'data_path = "/srv/prosody"' };
    await sh("cp -a /var/lib/prosody /srv/prosody; rm -rf /var/lib/prosody/*");
    await runs(elsewhere);
    expect(await exists("alice")).toMatch(/true/);
    expect(await prosody.connection.fact(survey)).toMatchObject({ data: "/srv/prosody" });
    await refuses({}, /Prosody keeps its data in \/srv\/prosody, and .* looks in \/var\/lib\/prosody/);
    await sh(
      "systemctl stop prosody; rm -f /srv/prosody/*.sock; cp -a /srv/prosody/. /var/lib/prosody/; rm -r /srv/prosody; ln -s /var/lib/prosody /srv/prosody; systemctl start prosody",
    );
    await internal();
    expect(await exists("alice")).toMatch(/true/);
    await sh("rm /srv/prosody");
  }, 60_000);

  test("a database for what has no driver of its own, files for the rest", async () => {
    const rest = { global: `default_storage = "sql"\nstorage = { accounts = "internal" }\n${sqlite}` };
    await sh("printf 'x\\nx\\n' | prosodyctl adduser bob@example.test");
    await prosody.shell(
      `> require"core.storagemanager".open("example.test", "vcard"):set("alice", { name = "vCard" })`,
    );
    const card = () =>
      prosody.shell(`> require"core.storagemanager".open("example.test", "vcard"):get("alice").name`);
    await prosody.bring(rest);
    expect([await exists("alice"), await card()].join()).toMatch(/true.*vCard/s);
    // What is named may be all that differs.
    await prosody.bring({ global: `storage = { accounts = "internal" }\n${sqlite}` });
    expect([await exists("alice"), await card()].join()).toMatch(/true.*vCard/s);
    await prosody.bring(rest);
    await internal();
    expect([await exists("alice"), await card()].join()).toMatch(/true.*vCard/s);
  }, 120_000);

  test("each of several databases that were left is known by what it had", async () => {
    const two = `${rooms}VirtualHost "two.test"\nstorage = "sql"\n${postgresql("two", "db.internal")}\n`;
    const both = { global: `storage = { archive = "sql" }\n${postgresql("one")}`, hosts: two };
    const notes = () => sh(`sed 's/^[0-9a-f]\\{64\\} /DIGEST /; s/ *$//' ${filled} | sort`);
    await prosody.bring(both);
    await sh("printf 'x\\nx\\n' | prosodyctl adduser carol@two.test");
    await prosody.bring({ hosts: `${rooms}VirtualHost "two.test"\n` });
    expect((await notes()).split("\n")).toEqual([
      "DIGEST sql PostgreSQL one 127.0.0.1",
      "DIGEST sql PostgreSQL two db.internal",
    ]);
    await prosody.bring(both);
    expect(await exists("carol", "two.test")).toMatch(/true/);
    await prosody.bring({ hosts: `${rooms}VirtualHost "two.test"\n` });
    await sh(
      `cd / && runuser -u postgres -- psql -qd two -c "UPDATE prosody SET value = 'other' WHERE key = 'salt'"`,
    );
    await refuses(both, /is not empty, and not filled by this program/);
    expect(await exists("carol", "two.test")).toMatch(/true/);
    await internal();
  }, 180_000);

  test("a copy that a reboot has left shows, and goes with the next up", async () => {
    const wanted = inputs({ global: `storage = "sql"\n${sqlite}` });
    await expect(
      configuration.update(killedAfter(prosody.connection, move), prosody.state, wanted),
    ).rejects.toThrow("killed");
    expect(await prosody.read()).toMatchObject({ live: true }); // the move is not given up yet
    await sh("systemctl stop prosody-pulumi-start; systemctl start prosody");
    expect(await copies()).not.toBe("");
    expect(await prosody.read()).toEqual({ ...prosody.state, live: false });
    await internal();
    expect([await copies(), await exists("alice")].join()).toMatch(/^,.*true/s);
    expect(await prosody.read()).toEqual(prosody.state);
  }, 60_000);
});

import { packageName } from "../../config/family";
import { until } from "../../lab/command";
import { move } from "../../providers/configuration/migration";
import { swap } from "../../providers/configuration/scripts";
import { configurationHandler as configuration } from "../../providers/handlers/configuration";
import type { Host } from "../../providers/host";
import { ConfigurationHost, inputs, main, plugins } from "../helpers/configuration-host";
import { killedAfter } from "../helpers/host";
import { allReleases } from "../helpers/lab";

const kept = "/var/backups/prosody-pulumi";
const rooms = 'Component "conference.example.test" "muc"\n';
const sqlite = 'storage = "sql"\nsql = { driver = "SQLite3", database = "prosody.sqlite" }';
const inDatabase = inputs({ global: sqlite, hosts: rooms });

/** Moves of the data that something happens to. */
describe.each(allReleases)("a move of the data on %s", (release) => {
  let prosody: ConfigurationHost;

  const sh = (script: string) => prosody.sh(script);
  const active = () => sh("systemctl is-active prosody || true");
  const waiting = () => sh("systemctl is-active prosody-pulumi-start || true");
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

  test("goes on within the minute as if nothing had been", async () => {
    await expect(update(killedAfter(prosody.connection, move))).rejects.toThrow("killed");
    await expect(
      prosody.update(
        inputs({ global: `${sqlite}\nplugin_paths = { "${plugins}" }`, hosts: rooms, modules: ["broken"] }),
      ),
    ).rejects.toThrow(/no such luck.*The previous configuration is back in force\./s);
    expect([await active(), await waiting()]).toEqual(["active", "inactive"]);
  }, 120_000);

  test("whose script is killed is given up, too", async () => {
    await sh(`printf '#!/bin/sh\\nkill -9 $PPID\\n' > /usr/local/bin/sync; chmod +x /usr/local/bin/sync`);
    await expect(update(prosody.connection)).rejects.toThrow(/moving Prosody's data to another storage/);
    expect(await active()).toBe("inactive");
    await sh("rm /usr/local/bin/sync");
    await running();
    expect(await exists("alice")).toMatch(/true/);
  }, 120_000);

  test("keeps out another one", async () => {
    await sh(`systemd-run -q --unit=mover flock ${kept} /bin/sleep 99`);
    const pid = await prosody.pid();
    await expect(update(prosody.connection)).rejects.toThrow(
      /another run of this program.*still moves the data/,
    );
    expect(await prosody.pid()).toBe(pid);
    await sh("systemctl stop mover");
  }, 60_000);
});

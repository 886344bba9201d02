import { packageName } from "../../config/family";
import { until } from "../../lab/command";
import type { ConfigurationInputs, ConfigurationState } from "../../providers/configuration";
import { swap } from "../../providers/configuration/scripts";
import { configurationHandler as configuration } from "../../providers/handlers/configuration";
import { serviceHandler as service } from "../../providers/handlers/service";
import type { SshHost } from "../../providers/ssh/host";
import { distributions } from "../helpers/distribution";
import { byHand, killedAfter, open } from "../helpers/host";
import { allReleases, type LabHost, lab } from "../helpers/lab";

const main = "/etc/prosody/prosody.cfg.lua";
const plugins = "/usr/local/lib/prosody/modules";
const kept = "/var/backups/prosody-pulumi";
const sqlite = 'storage = "sql"\nsql = { driver = "SQLite3", database = "prosody.sqlite" }';

function inputs({ modules = [] as string[], global = "" } = {}) {
  const enabled = ["roster", "saslauth", "tls", "limits", "admin_shell", ...modules];
  const content = `
modules_enabled = { ${enabled.map((name) => `"${name}"`).join("; ")} }
plugin_paths = { "${plugins}" }
log = { info = "/var/log/prosody/prosody.log" }
${global}
VirtualHost "example.test"
`;
  return {
    server: "test",
    files: { [main]: { content, mode: "0640", owner: "root", group: "prosody" } },
    secrets: {},
    live: true,
  } satisfies ConfigurationInputs;
}

describe.each(allReleases)("Prosody's configuration, when something else happens on %s", (release) => {
  const distribution = distributions[release];
  let machine: LabHost;
  let host: SshHost;
  let state: ConfigurationState;
  let original: string;

  const sh = (script: string) => byHand(machine, host, script);
  const pid = () => sh("systemctl show prosody --property MainPID --value");
  const active = () => sh("systemctl is-active prosody || true");
  const shell = (code: string) => sh(`prosodyctl shell '> ${code}'`);
  const isLive = async () => (await configuration.read(host, state))?.live;
  const bring = async (wanted: ConfigurationInputs) => {
    state = await configuration.update(host, state, wanted);
  };
  const overridden = (text: string) =>
    sh(
      `mkdir -p /etc/systemd/system/prosody.service.d; printf '[Service]\\n${text}\\n' > /etc/systemd/system/prosody.service.d/test.conf; systemctl daemon-reload`,
    );

  beforeAll(async () => {
    machine = await lab(`events-${release}`, { release });
    host = await open(machine, {}, "test");
    await sh(
      `systemctl mask prosody; ${distribution.install("prosody", "lua-unbound", packageName(distribution.family, "lua-dbi-sqlite3")!)}
mkdir -p ${plugins}; echo 'error("no such luck")' > ${plugins}/mod_broken.lua
yes -- '-- by the administrator' | head -n 500 >> ${main}`,
    );
    original = await sh(`sha256sum < ${main}`);
  }, 300_000);

  afterAll(() => host?.close());

  test("a disk that is full where the original goes: the next up keeps all of it", async () => {
    await sh(`mkdir -p ${kept} && mount -t tmpfs -o size=64k tmpfs ${kept} && mkdir -p ${kept}/original/files
head -c 52k /dev/zero > ${kept}/filler`);
    await expect(configuration.create(host, inputs())).rejects.toThrow(/No space left on device/);
    await sh(`rm ${kept}/filler`);
    state = await configuration.create(host, inputs());
    expect(await sh(`sha256sum < ${kept}/original/files/prosody.cfg.lua`)).toBe(original);
    await sh(`cp -a ${kept}/original /tmp/; umount ${kept}; cp -a /tmp/original ${kept}/`);
  }, 60_000);

  test("one that is masked gets its first configuration, and its service starts it", async () => {
    expect(await active()).toBe("inactive");
    await service.create(host, { server: "test", unit: "prosody.service", enabled: true, active: true });
    expect(await active()).toBe("active");
    await bring(inputs());
    expect(await isLive()).toBe(true);
  }, 60_000);

  test("one that is masked while it runs can't be restarted: that is told, and taken back", async () => {
    await sh("systemctl mask prosody");
    const before = await pid();
    await expect(bring(inputs({ global: 'plugin_paths = { "/srv" }' }))).rejects.toThrow(
      /systemd says: .*Unit prosody\.service is masked.*The previous configuration is back in force/s,
    );
    await sh("systemctl unmask prosody");
    expect([await pid(), await isLive()]).toEqual([before, true]);
  }, 60_000);

  test("a storage that moves in a configuration that fails: the old server runs on", async () => {
    await sh("printf 'x\\nx\\n' | prosodyctl adduser alice@example.test");
    await expect(bring(inputs({ global: sqlite, modules: ["broken"] }))).rejects.toThrow(
      /no such luck.*The previous configuration is back in force\./,
    );
    expect([await active(), await isLive()]).toEqual(["active", true]);
    expect(await shell('require"core.usermanager".user_exists("alice", "example.test")')).toMatch(/true/);
  }, 60_000);

  test("an old storage that can't be archived stays, and shows, until the next up has done it", async () => {
    await sh("printf '#!/bin/sh\\nexit 2\\n' > /usr/local/bin/tar; chmod +x /usr/local/bin/tar");
    const target = inputs({ global: sqlite });
    await expect(bring(target)).rejects.toThrow(/archiving the old storage/);
    await sh("rm /usr/local/bin/tar");
    state = { ...target, warnings: [] };
    expect(await isLive()).toBe(false);
    await bring(target);
    expect(await isLive()).toBe(true);
    expect(await sh(`for each in ${kept}/storage-*.tar.gz; do tar -tzf "$each"; done`)).toMatch(/alice\.dat/);
    expect(await sh("find /var/lib/prosody /etc/prosody -name '*.dat' -o -name '.p*'")).toBe("");
    expect(await shell('require"core.usermanager".user_exists("alice", "example.test")')).toMatch(/true/);
    await bring(inputs());
  }, 120_000);

  test("a change that was cut off, and loaded by somebody else's reload, is made up for", async () => {
    await shell('package.loaded.mark = require"core.modulemanager".get_module("*", "limits")');
    const target = inputs({ global: 'limits = { c2s = { rate = "7kb/s" } }' });
    const before = await pid();
    await expect(configuration.update(killedAfter(host, swap), state, target)).rejects.toThrow("killed");
    await sh("systemctl reload prosody");
    await until(
      async () =>
        /7kb/.test(await shell('require"core.configmanager".get("*", "limits").c2s.rate')) || undefined,
      10,
      () => "Prosody has not loaded the new files.",
    );
    state = { ...target, live: false, warnings: [] };
    await bring(target);
    expect(
      await shell('return package.loaded.mark == require"core.modulemanager".get_module("*", "limits")'),
    ).toMatch(/false/);
    expect([await pid(), await isLive()]).toEqual([before, true]);
  }, 60_000);

  test("a package that was upgraded without a restart shows, and is restarted", async () => {
    const file = await sh("ls /usr/lib*/prosody/prosody.version");
    const version = await sh(`cat ${file}`);
    const before = await pid();
    await sh(`echo ${version}.99 > ${file}`);
    expect(await isLive()).toBe(false);
    await bring(inputs());
    expect([await isLive(), (await pid()) === before]).toEqual([true, false]);
    await sh(`echo ${version} > ${file}`);
    await bring(inputs());
  }, 60_000);

  test("a server that takes long to stop is waited for", async () => {
    await overridden("ExecStop=/bin/sleep 32");
    await bring(inputs({ global: 'plugin_paths = { "/srv" }' }));
    await overridden("");
    expect(await isLive()).toBe(true);
    await bring(inputs());
  }, 120_000);

  test("delete brings all of the original back", async () => {
    await configuration.delete(host, state);
    expect(await sh(`sha256sum < ${main}`)).toBe(original);
  }, 60_000);
});

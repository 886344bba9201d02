import { configurationHandler as configuration } from "../../providers/handlers/configuration";
import type { SshHost } from "../../providers/ssh/host";
import {
  broken,
  ConfigurationHost,
  inputs,
  main,
  type Parts,
  rooms,
  secrets,
} from "../helpers/configuration-host";
import { distributions, everywhere } from "../helpers/distribution";

/** How a configuration comes, changes and goes; what must not come to be is in `configuration-failures`. */
describe.each(everywhere)("Prosody's configuration on %s", (_title, release) => {
  let prosody: ConfigurationHost;
  let host: SshHost;
  const isDebian = distributions[release].family === "debian";

  beforeAll(async () => {
    prosody = await ConfigurationHost.make("configuration", release);
    host = prosody.connection;
  }, 300_000);

  afterEach(() => prosody?.endSessions());

  afterAll(async () => {
    await host?.close();
  });

  /** A change that leaves the client connected and the process running. */
  async function gently(parts: Parts, seen: () => Promise<unknown>): Promise<void> {
    const [client, before] = [await prosody.session(), await prosody.pid()];
    await prosody.bring(parts);
    expect(await seen()).toBeTruthy();
    expect(await prosody.pid()).toBe(before);
    expect(await client.end()).toBe("alive");
    expect((await prosody.read())?.live).toBe(true);
  }

  if (!isDebian)
    test("what the package never started is stopped again when its first configuration does not run", async () => {
      const before = await prosody.fingerprint();
      await expect(configuration.create(host, broken)).rejects.toThrow(
        /broken.*no such luck.*The previous files are back, and the service is stopped as before\./,
      );
      expect(await prosody.fingerprint()).toBe(before);
      expect(await prosody.sh("systemctl is-active prosody || true")).toBe("inactive");
      await prosody.sh("systemctl start prosody");
    }, 60_000);

  test("a first configuration that the server can't run brings the distribution's back", async () => {
    const before = await prosody.fingerprint();
    await expect(configuration.create(host, broken)).rejects.toThrow(
      /broken.*no such luck.*The previous configuration is back in force\./,
    );
    expect(await prosody.fingerprint()).toBe(before);
    expect(await prosody.shell("host:list()")).toMatch(/localhost/);
    expect(await prosody.sh("ls -A /var/backups/prosody-pulumi 2>/dev/null || true")).toBe("");
  }, 60_000);

  test("create replaces the distribution's configuration in the running server", async () => {
    await prosody.create();
    expect(prosody.state).toEqual({ ...inputs(), warnings: [] });
    expect(await (await prosody.session()).end()).toBe("alive");
    expect(await prosody.read()).toEqual(prosody.state);
  }, 60_000);

  test("create adopts what is there and live without touching it", async () => {
    const before = [await prosody.fingerprint(), await prosody.pid(), await prosody.reloads()];
    expect(await configuration.create(host, inputs())).toEqual(prosody.state);
    expect([await prosody.fingerprint(), await prosody.pid(), await prosody.reloads()]).toEqual(before);
  }, 60_000);

  describe("keeps clients connected for", () => {
    test("a module that comes and goes", async () => {
      const global = 'http_max_content_size = 1000000\nopenmetrics_allow_ips = { "192.0.2.1" }';
      await gently({ modules: ["time", "http_openmetrics"], global }, () => prosody.listening(5280));
      await gently({}, async () => !(await prosody.listening(5280)));
    }, 60_000);

    test("an option of a module", async () => {
      const hosts = 'Component "conference.example.test" "muc"\n  restrict_room_creation = true\n';
      await gently({ hosts }, async () =>
        /true/.test(
          await prosody.shell(
            '> require"core.configmanager".get("conference.example.test","restrict_room_creation")',
          ),
        ),
      );
      await gently({}, async () => true);
    }, 60_000);

    test("a virtual host and a component that come and go", async () => {
      const hosts = `${rooms}VirtualHost "example.org"\nComponent "bridge.example.test"\n  component_secret = "x"\n`;
      await gently({ hosts }, async () => {
        const list = await prosody.shell("host:list()");
        return /example\.org/.test(list) && /bridge\.example\.test/.test(list) && prosody.listening(5347);
      });
      await gently({}, async () => !/example\.org|bridge/.test(await prosody.shell("host:list()")));
    }, 60_000);

    test("a port that changes", async () => {
      await gently(
        { c2s: 15222 },
        async () => (await prosody.listening(15222)) && !(await prosody.listening(5222)),
      );
      const client = await prosody.session(15222);
      await prosody.bring();
      expect([await prosody.listening(5222), await prosody.listening(15222)]).toEqual([true, false]);
      expect(await client.end()).toBe("alive");
    }, 60_000);

    test("two services that swap their ports", async () => {
      await gently(
        { global: "http_ports = { 8081 }\nproxy65_ports = { 8082 }", modules: ["bosh", "proxy65"] },
        async () => true,
      );
      await gently(
        { global: "http_ports = { 8082 }\nproxy65_ports = { 8081 }", modules: ["bosh", "proxy65"] },
        async () => /http.*8082/.test(await prosody.shell("port:list()")),
      );
      await gently({}, async () => !(await prosody.listening(8081)));
    }, 60_000);

    test("the log, TLS, administrators and a secret", async () => {
      await gently({ global: 'log = { debug = "/var/log/prosody/debug.log" }' }, () =>
        prosody.sh("grep -c . /var/log/prosody/debug.log"),
      );
      await gently({ global: 'tls_profile = "modern"' }, async () => true);
      await gently({ global: "c2s_require_encryption = true" }, async () => true);
      await gently({ global: 'admins = { "alice@example.test" }' }, async () => true);
      await gently({ secret: "another" }, async () => true);
      await gently({}, async () => true);
    }, 120_000);
  });

  test("an option that is read at the start only restarts the server", async () => {
    const before = await prosody.pid();
    await prosody.bring({ global: 'plugin_paths = { "/srv/modules" }' });
    expect(await prosody.pid()).not.toBe(before);
    await prosody.bring();
  }, 60_000);

  test("options that Prosody writes into when it reads them are live once it runs them", async () => {
    const unbound = 'unbound = { options = { ["local-zone:"] = "test. transparent" } }';
    const role = (allowed: string) =>
      `custom_roles = { { name = "trainee", inherits = { "prosody:member" }, allow = { "${allowed}" } } }`;
    await prosody.bring({ global: `${unbound}\n${role("muc:create-room")}` });
    expect((await prosody.read())?.live).toBe(true);
    await prosody.sh(`sed -i 's/transparent/static/; s/"muc:create-room"/"muc:list-rooms"/' ${main}`);
    expect((await prosody.read())?.live).toBe(false);
    await prosody.bring({ global: unbound });
    await prosody.bring();
    expect(await prosody.read()).toEqual(prosody.state);
  }, 60_000);

  test("drift is seen: an edited file, a mode, a missing file", async () => {
    await prosody.sh(`echo '-- by hand' >> ${main}; chmod 0644 ${secrets}`);
    const drifted = await prosody.read();
    expect(drifted?.files[main]?.content).toBe(`${prosody.state.files[main]?.content}-- by hand\n`);
    expect(drifted?.secrets[secrets]?.mode).toBe("0644");
    await prosody.sh(`rm ${secrets}`);
    expect((await prosody.read())?.secrets).toEqual({});
    await prosody.bring();
    expect(await prosody.read()).toEqual(prosody.state);
  }, 60_000);

  test("a server that runs something else than its files is seen and put right", async () => {
    const client = await prosody.session();
    await prosody.shell('module:unload("carbons", "example.test")');
    expect((await prosody.read())?.live).toBe(false);
    await prosody.bring();
    expect((await prosody.read())?.live).toBe(true);
    expect(await client.end()).toBe("alive");
  }, 60_000);

  test("a file that is taken out goes", async () => {
    const all = inputs();
    const open = all.files[main]!.content.replace('Include "secrets.cfg.lua"', 'turn_external_secret = "x"');
    await prosody.update({ ...all, files: { [main]: { ...all.files[main]!, content: open } }, secrets: {} });
    expect(await prosody.sh("ls /etc/prosody")).not.toMatch(/secrets/);
    expect(prosody.state.secrets).toEqual({});
    await prosody.bring();
  }, 60_000);

  test("a stopped server stays stopped", async () => {
    await prosody.sh("systemctl stop prosody");
    expect((await prosody.read())?.live).toBe(true);
    await prosody.bring({ modules: ["time"] });
    expect(await prosody.sh("systemctl is-active prosody || true")).toBe("inactive");
    await prosody.sh("systemctl start prosody");
    await prosody.bring();
  }, 60_000);

  describe("delete", () => {
    const backups = "/var/backups/prosody-pulumi";

    test("puts the distribution's configuration back into force, and archives ours", async () => {
      await configuration.delete(host, prosody.state);
      expect(await prosody.sh(prosody.distribution.verify)).toBe("");
      expect(await prosody.sh("ls -A /etc/prosody")).toBe(
        isDebian
          ? "README\ncerts\nconf.avail\nconf.d\nmigrator.cfg.lua\nprosody.cfg.lua"
          : "certs\nconf.d\nprosody.cfg.lua",
      );
      expect(await prosody.shell("host:list()")).toMatch(/^(?!.*example\.test).*localhost/s);
      const archive = await prosody.sh(`ls ${backups}/configuration-*.tar.gz`);
      expect(
        await prosody.sh(`stat -c %a ${archive}; tar -xzOf ${archive} etc/prosody/secrets.cfg.lua`),
      ).toBe('600\nturn_external_secret = "s3cret"');
    }, 60_000);

    test("of what is gone succeeds and changes nothing", async () => {
      const before = [await prosody.fingerprint(), await prosody.pid(), await prosody.sh(`ls -A ${backups}`)];
      await configuration.delete(host, prosody.state);
      expect([
        await prosody.fingerprint(),
        await prosody.pid(),
        await prosody.sh(`ls -A ${backups}`),
      ]).toEqual(before);
    }, 60_000);

    test("succeeds after the package was purged", async () => {
      prosody.state = await configuration.create(host, inputs());
      await prosody.sh(prosody.distribution.lose);
      expect(await prosody.read()).toBeUndefined();
      await configuration.delete(host, prosody.state);
      await expect(configuration.create(host, inputs())).rejects.toThrow(/Install Prosody first/);
    }, 120_000);
  });
});

import { readFileSync } from "node:fs";
import type { ConfigurationInputs, ConfigurationState } from "../../providers/configuration";
import { swap } from "../../providers/configuration/scripts";
import { configurationHandler as configuration } from "../../providers/handlers/configuration";
import type { Host } from "../../providers/host";
import type { SshHost } from "../../providers/ssh/host";
import { distributions, everywhere } from "../helpers/distribution";
import { open } from "../helpers/host";
import { type Certificate, certificate, type LabHost, lab } from "../helpers/lab";
import { connect, type Session } from "../helpers/xmpp";

const alice = { jid: "alice@example.test", password: "Alice's" };
const main = "/etc/prosody/prosody.cfg.lua";
const secrets = "/etc/prosody/secrets.cfg.lua";
const plugins = "/usr/local/lib/prosody/modules";

interface Parts {
  modules?: string[];
  global?: string;
  hosts?: string;
  c2s?: number;
  secret?: string;
}

const rooms = 'Component "conference.example.test" "muc"\n  restrict_room_creation = "local"\n';

/** A small complete configuration, with a secrets file of its own. */
function inputs({ modules = [], global = "", hosts = rooms, c2s = 5222, secret = "s3cret" }: Parts = {}) {
  const enabled = [
    "roster",
    "saslauth",
    "tls",
    "disco",
    "ping",
    "carbons",
    "smacks",
    "turn_external",
    "admin_shell",
    ...modules,
  ];
  const content = `
modules_enabled = { ${enabled.map((name) => `"${name}"`).join("; ")} }
c2s_ports = { ${c2s} }
component_ports = { 5347 }
certificates = "certs"
authentication = "internal_hashed"
log = { info = "/var/log/prosody/prosody.log"; error = "/var/log/prosody/prosody.err" }
${global}
Include "secrets.cfg.lua"
turn_external_host = "turn.example.test"
VirtualHost "example.test"
${hosts}`;
  const file = (text: string) => ({ content: text, mode: "0640", owner: "root", group: "prosody" });
  return {
    server: "test",
    files: { [main]: file(content) },
    secrets: { [secrets]: file(`turn_external_secret = "${secret}"\n`) },
    live: true,
  } satisfies ConfigurationInputs;
}

describe.each(everywhere)("Prosody's configuration on %s", (_title, release) => {
  const distribution = distributions[release];
  const isDebian = distribution.family === "debian";
  let machine: LabHost;
  let host: SshHost;
  let tls: Certificate;
  let state: ConfigurationState;

  const sh = async (script: string): Promise<string> => (await machine.exec(script)).trim();
  const pid = () => sh("systemctl show prosody --property MainPID --value");
  const fingerprint = () =>
    sh(
      "cd /etc/prosody; find . -type f -o -type l | sort | xargs stat -c '%n %i %y %a %U'; sha256sum prosody.cfg.lua",
    );
  const reloads = () => sh("grep -c 'Reloading configuration' /var/log/prosody/prosody.log || true");
  const shell = (command: string) => sh(`prosodyctl shell '${command}'`);
  const listening = async (port: number) => (await sh(`ss -Hltn sport = :${port}`)) !== "";
  const sessions: Session[] = [];
  const session = async (port = 5222): Promise<Session> => {
    const opened = await connect({ address: machine.address, port, caFile: tls.caFile }, alice);
    let ended: Promise<string> | undefined;
    const once = {
      end: () => {
        ended ??= opened.end();
        return ended;
      },
    };
    sessions.push(once);
    return once;
  };
  const update = async (wanted: ConfigurationInputs): Promise<void> => {
    state = await configuration.update(host, state, wanted);
  };
  const bring = (parts: Parts = {}) => update(inputs(parts));

  beforeAll(async () => {
    machine = await lab(`configuration-${release}`, { release });
    tls = await certificate("example.test");
    host = await open(machine, {}, "test");
    await sh(distribution.install("prosody", "lua-unbound"));
    await putCertificate(readFileSync(tls.keyFile, "utf8"));
    await sh(`mkdir -p ${plugins}; echo 'error("no such luck")' > ${plugins}/mod_broken.lua`);
  }, 300_000);

  afterEach(async () => {
    await Promise.all(sessions.splice(0).map((open) => open.end()));
  });

  afterAll(async () => {
    await host?.close();
  });

  async function putCertificate(key: string): Promise<void> {
    const chain = readFileSync(tls.certificateFile, "utf8") + readFileSync(tls.intermediateFile, "utf8");
    for (const [name, text] of [
      ["crt", chain],
      ["key", key],
    ])
      await host.run(`f=/etc/prosody/certs/example.test.${name}; cat > $f; chgrp prosody $f; chmod 0640 $f`, {
        doing: "installing a certificate",
        input: text,
      });
  }

  /** A change that leaves the client connected and the process running. */
  async function gently(parts: Parts, seen: () => Promise<unknown>): Promise<void> {
    const [client, before] = [await session(), await pid()];
    await bring(parts);
    expect(await seen()).toBeTruthy();
    expect(await pid()).toBe(before);
    expect(await client.end()).toBe("alive");
    expect((await configuration.read(host, state))?.live).toBe(true);
  }

  const broken = inputs({ global: `plugin_paths = { "${plugins}" }`, modules: ["broken"] });

  if (!isDebian)
    test("what the package never started is stopped again when its first configuration does not run", async () => {
      const before = await fingerprint();
      await expect(configuration.create(host, broken)).rejects.toThrow(
        /broken.*no such luck.*The previous files are back, and the service is stopped as before\./,
      );
      expect(await fingerprint()).toBe(before);
      expect(await sh("systemctl is-active prosody || true")).toBe("inactive");
      await sh("systemctl start prosody");
    }, 60_000);

  test("a first configuration that the server can't run brings the distribution's back", async () => {
    const before = await fingerprint();
    await expect(configuration.create(host, broken)).rejects.toThrow(
      /broken.*no such luck.*The previous configuration is back in force\./,
    );
    expect(await fingerprint()).toBe(before);
    expect(await shell("host:list()")).toMatch(/localhost/);
    expect(await sh("ls -A /var/backups/prosody-pulumi 2>/dev/null || true")).toBe("");
  }, 60_000);

  test("create replaces the distribution's configuration in the running server", async () => {
    state = await configuration.create(host, inputs());
    expect(state).toEqual({ ...inputs(), warnings: [] });
    await sh(`printf '%s\\n%s\\n' "Alice's" "Alice's" | prosodyctl adduser alice@example.test`);
    expect(await (await session()).end()).toBe("alive");
    expect(await configuration.read(host, state)).toEqual(state);
  }, 60_000);

  test("create adopts what is there and live without touching it", async () => {
    const before = [await fingerprint(), await pid(), await reloads()];
    expect(await configuration.create(host, inputs())).toEqual(state);
    expect([await fingerprint(), await pid(), await reloads()]).toEqual(before);
  }, 60_000);

  describe("keeps clients connected for", () => {
    test("a module that comes and goes", async () => {
      const global = 'http_max_content_size = 1000000\nopenmetrics_allow_ips = { "192.0.2.1" }';
      await gently({ modules: ["time", "http_openmetrics"], global }, () => listening(5280));
      await gently({}, async () => !(await listening(5280)));
    }, 60_000);

    test("an option of a module", async () => {
      const hosts = 'Component "conference.example.test" "muc"\n  restrict_room_creation = true\n';
      await gently({ hosts }, async () =>
        /true/.test(
          await shell(
            '> require"core.configmanager".get("conference.example.test","restrict_room_creation")',
          ),
        ),
      );
      await gently({}, async () => true);
    }, 60_000);

    test("a virtual host and a component that come and go", async () => {
      const hosts = `${rooms}VirtualHost "example.org"\nComponent "bridge.example.test"\n  component_secret = "x"\n`;
      await gently({ hosts }, async () => {
        const list = await shell("host:list()");
        return /example\.org/.test(list) && /bridge\.example\.test/.test(list) && listening(5347);
      });
      await gently({}, async () => !/example\.org|bridge/.test(await shell("host:list()")));
    }, 60_000);

    test("a port that changes", async () => {
      await gently({ c2s: 15222 }, async () => (await listening(15222)) && !(await listening(5222)));
      const client = await session(15222);
      await bring();
      expect([await listening(5222), await listening(15222)]).toEqual([true, false]);
      expect(await client.end()).toBe("alive");
    }, 60_000);

    test("two services that swap their ports", async () => {
      await gently(
        { global: "http_ports = { 8081 }\nproxy65_ports = { 8082 }", modules: ["bosh", "proxy65"] },
        async () => true,
      );
      await gently(
        { global: "http_ports = { 8082 }\nproxy65_ports = { 8081 }", modules: ["bosh", "proxy65"] },
        async () => /http.*8082/.test(await shell("port:list()")),
      );
      await gently({}, async () => !(await listening(8081)));
    }, 60_000);

    test("the log, TLS, administrators and a secret", async () => {
      await gently({ global: 'log = { debug = "/var/log/prosody/debug.log" }' }, () =>
        sh("grep -c . /var/log/prosody/debug.log"),
      );
      await gently({ global: 'tls_profile = "modern"' }, async () => true);
      await gently({ global: "c2s_require_encryption = true" }, async () => true);
      await gently({ global: 'admins = { "alice@example.test" }' }, async () => true);
      await gently({ secret: "another" }, async () => true);
      await gently({}, async () => true);
    }, 120_000);
  });

  test("an option that is read at the start only restarts the server", async () => {
    const before = await pid();
    await bring({ global: 'plugin_paths = { "/srv/modules" }' });
    expect(await pid()).not.toBe(before);
    await bring();
  }, 60_000);

  describe("refuses, leaving files, server and clients as they are,", () => {
    const refusals: [what: string, parts: Parts, reason: RegExp][] = [
      ["a syntax error", { global: "admins = {" }, /prosody\.cfg\.lua.*(unexpected symbol|'}' expected)/],
      [
        "a missing module",
        { modules: ["carbon"] },
        /example\.test: module carbon does not exist on this host/,
      ],
      [
        "a host that is defined twice",
        { hosts: `${rooms}VirtualHost "example.test"` },
        /example\.test is defined more than once: \/etc\/prosody\/prosody\.cfg\.lua:\d+, \/etc\/prosody\/prosody\.cfg\.lua:\d+/,
      ],
      ["an unknown storage", { global: 'storage = "sqll"' }, /storage sqll does not exist/],
      [
        "an unknown authentication",
        { global: 'authentication = "pam2"' },
        /authentication pam2 does not exist/,
      ],
      [
        "a missing driver",
        { global: 'storage = "sql"\nsql = { driver = "MySQL", database = "x" }' },
        /driver MySQL/,
      ],
      ["no shell", { global: 'modules_disabled = { "admin_shell" }' }, /admin_shell is not among/],
      ["a port given twice", { global: "s2s_ports = { 5222 }" }, /port 5222 is given to c2s and to s2s/],
      ["a port of another process", { c2s: 22 }, /port 22 of c2s is taken by sshd \(process \d+\)/],
    ];

    test.each(refusals)(
      "%s",
      async (_what, parts, reason) => {
        const client = await session();
        const before = [await fingerprint(), await pid(), await reloads()];
        await expect(bring(parts)).rejects.toThrow(reason);
        expect([await fingerprint(), await pid(), await reloads()]).toEqual(before);
        expect(await client.end()).toBe("alive");
      },
      30_000,
    );

    test("a key that is not the certificate's", async () => {
      const client = await session();
      const other = await certificate("other.test");
      await putCertificate(readFileSync(other.keyFile, "utf8"));
      try {
        await expect(bring({ modules: ["time"] })).rejects.toThrow(
          /TLS can't be set up with .*example\.test\.crt/,
        );
      } finally {
        await putCertificate(readFileSync(tls.keyFile, "utf8"));
      }
      expect(await client.end()).toBe("alive");
    }, 60_000);

    test("a key that Prosody can't read", async () => {
      await sh("chmod 0600 /etc/prosody/certs/example.test.key");
      try {
        await expect(bring({ modules: ["time"] })).rejects.toThrow(/TLS can't be set up|certificate/);
      } finally {
        await sh("chmod 0640 /etc/prosody/certs/example.test.key");
      }
    }, 60_000);
  });

  describe("takes back what the server can't run:", () => {
    test("a module that fails when it is loaded", async () => {
      await bring({ global: `plugin_paths = { "${plugins}" }` });
      const before = [await fingerprint(), await pid()];
      const client = await session();
      await expect(
        bring({ global: `plugin_paths = { "${plugins}" }`, modules: ["time", "broken"] }),
      ).rejects.toThrow(/broken.*no such luck.*The previous configuration is back in force\./);
      expect([await fingerprint(), await pid()]).toEqual(before);
      expect(await shell('> require"core.modulemanager".is_loaded("example.test", "time")')).toMatch(/nil/);
      expect(await client.end()).toBe("alive");
      expect((await configuration.read(host, state))?.live).toBe(true);
    }, 60_000);

    test("a port that can't be opened", async () => {
      const before = await fingerprint();
      const client = await session();
      const parts = { global: `plugin_paths = { "${plugins}" }\nc2s_interfaces = { "192.0.2.1" }` };
      await expect(bring(parts)).rejects.toThrow(/c2s does not listen on port 5222 of 192\.0\.2\.1/);
      expect(await fingerprint()).toBe(before);
      expect(await listening(5222)).toBe(true);
      expect(await client.end()).toBe("alive");
    }, 60_000);

    test("a module that fails after a restart", async () => {
      const before = await fingerprint();
      await expect(
        bring({ global: `plugin_paths = { "${plugins}", "/srv" }`, modules: ["broken"] }),
      ).rejects.toThrow(/broken.*no such luck.*The previous configuration is back in force\./);
      expect(await fingerprint()).toBe(before);
      expect(await (await session()).end()).toBe("alive");
      await bring();
    }, 60_000);
  });

  test("drift is seen: an edited file, a mode, a missing file", async () => {
    await sh(`echo '-- by hand' >> ${main}; chmod 0644 ${secrets}`);
    const drifted = await configuration.read(host, state);
    expect(drifted?.files[main]?.content).toBe(`${state.files[main]?.content}-- by hand\n`);
    expect(drifted?.secrets[secrets]?.mode).toBe("0644");
    await sh(`rm ${secrets}`);
    expect((await configuration.read(host, state))?.secrets).toEqual({});
    await bring();
    expect(await configuration.read(host, state)).toEqual(state);
  }, 60_000);

  test("a server that runs something else than its files is seen and put right", async () => {
    const client = await session();
    await shell('module:unload("carbons", "example.test")');
    expect((await configuration.read(host, state))?.live).toBe(false);
    await bring();
    expect((await configuration.read(host, state))?.live).toBe(true);
    expect(await client.end()).toBe("alive");
  }, 60_000);

  describe("a change that was cut off", () => {
    /** The provider is killed right after this script ran: nothing more reaches the host. */
    const killedAfter = (last: string): Host => {
      let dead = false;
      return {
        name: host.name,
        fact: (fact) => host.fact(fact),
        group: (key, item, commit) => host.group(key, item, commit),
        async run(script, options) {
          if (dead) throw new Error("killed");
          const result = await host.run(script, options);
          dead = script === last;
          return result;
        },
      };
    };
    const target = inputs({
      modules: ["time"],
      hosts: 'Component "conference.example.test" "muc"\n  restrict_room_creation = true\n',
    });

    test("between the files and the server is seen, and the next one heals it", async () => {
      const [client, before] = [await session(), await pid()];
      await expect(configuration.update(killedAfter(swap), state, target)).rejects.toThrow("killed");
      const seen = await configuration.read(host, { ...target, warnings: [] });
      expect(seen).toEqual({ ...target, live: false, warnings: [] });
      state = await configuration.update(host, seen!, target);
      expect(await shell('module:list("example.test")')).toMatch(/time/);
      expect(await configuration.read(host, state)).toEqual({ ...target, warnings: [] });
      expect(await sh("ls -A /etc/prosody | grep '^[.]' || true")).toBe("");
      expect([await pid(), await client.end()]).toEqual([before, "alive"]);
      await bring();
    }, 60_000);

    test("can be followed by one that fails: what worked last comes back", async () => {
      const before = await fingerprint();
      await expect(configuration.update(killedAfter(swap), state, target)).rejects.toThrow("killed");
      await expect(bring({ global: 'c2s_interfaces = { "192.0.2.1" }' })).rejects.toThrow(/is back in force/);
      expect(await fingerprint()).toBe(before);
      expect(await configuration.read(host, state)).toEqual(state);
    }, 60_000);
  });

  test("no secret is in a command or an error", async () => {
    const scripts: string[] = [];
    const recorded: Host = {
      name: host.name,
      fact: (fact) => host.fact(fact),
      group: (key, item, commit) => host.group(key, item, commit),
      run(script, options) {
        scripts.push(script, options.doing);
        return host.run(script, options);
      },
    };
    const canary = "canary-5f2c";
    state = await configuration.update(recorded, state, inputs({ secret: canary }));
    const broken = inputs({ secret: `${canary}" "${canary}` });
    const error = await configuration
      .update(recorded, state, broken)
      .catch((thrown: Error) => thrown.message);
    expect(error).toMatch(/secrets\.cfg\.lua/);
    expect([...scripts, error].filter((text) => String(text).includes(canary))).toEqual([]);
    expect(scripts.length).toBeGreaterThan(5);
    await bring();
  }, 60_000);

  test("a file that is taken out goes", async () => {
    const all = inputs();
    const open = all.files[main]!.content.replace('Include "secrets.cfg.lua"', 'turn_external_secret = "x"');
    await update({ ...all, files: { [main]: { ...all.files[main]!, content: open } }, secrets: {} });
    expect(await sh("ls /etc/prosody")).not.toMatch(/secrets/);
    expect(state.secrets).toEqual({});
    await bring();
  }, 60_000);

  test("a stopped server stays stopped", async () => {
    await sh("systemctl stop prosody");
    expect((await configuration.read(host, state))?.live).toBe(true);
    await bring({ modules: ["time"] });
    expect(await sh("systemctl is-active prosody || true")).toBe("inactive");
    await sh("systemctl start prosody");
    await bring();
  }, 60_000);

  describe("delete", () => {
    const backups = "/var/backups/prosody-pulumi";

    test("puts the distribution's configuration back into force, and archives ours", async () => {
      await configuration.delete(host, state);
      expect(await sh(distribution.verify)).toBe("");
      expect(await sh("ls -A /etc/prosody")).toBe(
        isDebian
          ? "README\ncerts\nconf.avail\nconf.d\nmigrator.cfg.lua\nprosody.cfg.lua"
          : "certs\nconf.d\nprosody.cfg.lua",
      );
      expect(await shell("host:list()")).toMatch(/^(?!.*example\.test).*localhost/s);
      const archive = await sh(`ls ${backups}/configuration-*.tar.gz`);
      expect(await sh(`stat -c %a ${archive}; tar -xzOf ${archive} etc/prosody/secrets.cfg.lua`)).toBe(
        '600\nturn_external_secret = "s3cret"',
      );
    }, 60_000);

    test("of what is gone succeeds and changes nothing", async () => {
      const before = [await fingerprint(), await pid(), await sh(`ls -A ${backups}`)];
      await configuration.delete(host, state);
      expect([await fingerprint(), await pid(), await sh(`ls -A ${backups}`)]).toEqual(before);
    }, 60_000);

    test("succeeds after the package was purged", async () => {
      state = await configuration.create(host, inputs());
      await sh(distribution.lose);
      expect(await configuration.read(host, state)).toBeUndefined();
      await configuration.delete(host, state);
      await expect(configuration.create(host, inputs())).rejects.toThrow(/Install Prosody first/);
    }, 120_000);
  });
});

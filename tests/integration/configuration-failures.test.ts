import { readFileSync } from "node:fs";
import { swap } from "../../providers/configuration/scripts";
import { configurationHandler as configuration } from "../../providers/handlers/configuration";
import type { Host } from "../../providers/host";
import type { SshHost } from "../../providers/ssh/host";
import { ConfigurationHost, inputs, type Parts, plugins, rooms } from "../helpers/configuration-host";
import { everywhere } from "../helpers/distribution";
import { killedAfter } from "../helpers/host";
import { certificate } from "../helpers/lab";
import { until } from "../helpers/ssh";

/** Changes that must not come to be, or not half: refused, taken back, cut off. */
describe.each(everywhere)("Prosody's configuration on %s", (_title, release) => {
  let prosody: ConfigurationHost;
  let host: SshHost;

  beforeAll(async () => {
    prosody = await ConfigurationHost.make("failures", release);
    host = prosody.connection;
    await prosody.create();
  }, 300_000);

  afterEach(() => prosody?.endSessions());

  afterAll(async () => {
    await host?.close();
  });

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
      [
        "a port of another process",
        { c2s: 22 },
        /port 22 of c2s is taken by sshd \(process \d+ of sshd?\.service\)/,
      ],
    ];

    test.each(refusals)(
      "%s",
      async (_what, parts, reason) => {
        const client = await prosody.session();
        const before = [await prosody.fingerprint(), await prosody.pid(), await prosody.reloads()];
        await expect(prosody.bring(parts)).rejects.toThrow(reason);
        expect([await prosody.fingerprint(), await prosody.pid(), await prosody.reloads()]).toEqual(before);
        expect(await client.end()).toBe("alive");
      },
      30_000,
    );

    test("a key that is not the certificate's", async () => {
      const client = await prosody.session();
      const other = await certificate("other.test");
      await prosody.putCertificate(readFileSync(other.keyFile, "utf8"));
      try {
        await expect(prosody.bring({ modules: ["time"] })).rejects.toThrow(
          /TLS can't be set up with .*example\.test\.crt/,
        );
      } finally {
        await prosody.putCertificate(readFileSync(prosody.tls.keyFile, "utf8"));
      }
      expect(await client.end()).toBe("alive");
    }, 60_000);

    test("passwords that nobody could use", async () => {
      await prosody.bring({ global: 'password_hash = "SHA-256"' });
      await prosody.sh("printf 'p\\np\\n' | prosodyctl adduser bob@example.test");
      const before = await prosody.fingerprint();
      try {
        await expect(prosody.bring()).rejects.toThrow(
          /nothing was changed:\n- accounts of example\.test could not log in any more \(1\): .*SHA-256, which would be SHA-1/,
        );
        expect(await prosody.fingerprint()).toBe(before);
      } finally {
        // As a change, so that the accounts which were read a moment ago count no more.
        const options = { doing: "deleting an account", changes: true };
        await prosody.connection.run("prosodyctl deluser bob@example.test", options);
        await prosody.bring();
      }
    }, 60_000);

    test("a key that Prosody can't read", async () => {
      await prosody.sh("chmod 0600 /etc/prosody/certs/example.test.key");
      try {
        await expect(prosody.bring({ modules: ["time"] })).rejects.toThrow(/TLS can't be set up|certificate/);
      } finally {
        await prosody.sh("chmod 0640 /etc/prosody/certs/example.test.key");
      }
    }, 60_000);
  });

  test("warns of an option that is a letter or two from one that is read, and of no other", async () => {
    const write = jest.spyOn(process.stderr, "write");
    // Each warning is given once in a process.
    const wrong = `c2s_require_encryption${release.slice(0, 1)}`;
    const options = [`${wrong} = true`, "my_own_option = 1", "certificates = 'certs'"];
    try {
      await prosody.bring({ global: options.join("\n") });
      expect(write.mock.calls.map(([text]) => text)).toEqual([
        `${host.name}: nothing in Prosody or its modules reads the option ${wrong}; did you mean c2s_require_encryption? See prosody:options.\n`,
      ]);
    } finally {
      write.mockRestore();
    }
    await prosody.bring({});
  }, 60_000);

  describe("takes back what the server can't run:", () => {
    test("a module that fails when it is loaded", async () => {
      await prosody.bring({ global: `plugin_paths = { "${plugins}" }` });
      const before = [await prosody.fingerprint(), await prosody.pid()];
      const client = await prosody.session();
      await expect(
        prosody.bring({ global: `plugin_paths = { "${plugins}" }`, modules: ["time", "broken"] }),
      ).rejects.toThrow(/broken.*no such luck.*The previous configuration is back in force\./);
      expect([await prosody.fingerprint(), await prosody.pid()]).toEqual(before);
      expect(await prosody.shell('> require"core.modulemanager".is_loaded("example.test", "time")')).toMatch(
        /nil/,
      );
      expect(await client.end()).toBe("alive");
      expect((await prosody.read())?.live).toBe(true);
    }, 60_000);

    test("a port that can't be opened", async () => {
      const before = await prosody.fingerprint();
      const client = await prosody.session();
      const parts = { global: `plugin_paths = { "${plugins}" }\nc2s_interfaces = { "192.0.2.1" }` };
      await expect(prosody.bring(parts)).rejects.toThrow(/c2s does not listen on port 5222 of 192\.0\.2\.1/);
      expect(await prosody.fingerprint()).toBe(before);
      expect(await prosody.listening(5222)).toBe(true);
      expect(await client.end()).toBe("alive");
    }, 60_000);

    test("a module that fails after a restart", async () => {
      const before = await prosody.fingerprint();
      await expect(
        prosody.bring({ global: `plugin_paths = { "${plugins}", "/srv" }`, modules: ["broken"] }),
      ).rejects.toThrow(/broken.*no such luck.*The previous configuration is back in force\./);
      expect(await prosody.fingerprint()).toBe(before);
      expect(await (await prosody.session()).end()).toBe("alive");
    }, 60_000);

    test("a module that fails when a client connects", async () => {
      const fails = (condition: string) =>
        `module:hook("stream-features", function(event) if ${condition} then error "no such luck" end end)`;
      await prosody.sh(
        `echo '${fails("true")}' > ${plugins}/mod_fails.lua; echo '${fails("event.origin.secure")}' > ${plugins}/mod_fails_encrypted.lua`,
      );
      const before = await prosody.fingerprint();
      for (const module of ["fails", "fails_encrypted"])
        await expect(
          prosody.bring({ global: `plugin_paths = { "${plugins}" }`, modules: [module] }),
        ).rejects.toThrow(
          /^nobody can log in to example\.test, because Prosody fails when a client connects: .*mod_fails\w*\.lua:1: no such luck.*The previous configuration is back in force\./,
        );
      expect(await prosody.fingerprint()).toBe(before);
      expect(await (await prosody.session()).end()).toBe("alive");
    }, 60_000);

    test("an authentication that fails when it is loaded", async () => {
      await prosody.sh(`cp ${plugins}/mod_broken.lua ${plugins}/mod_auth_broken.lua`);
      const before = await prosody.fingerprint();
      const parts = { global: `plugin_paths = { "${plugins}" }\nauthentication = "broken"` };
      await expect(prosody.bring(parts)).rejects.toThrow(
        /nobody can log in to example\.test, .*no such luck.*The previous configuration is back in force\./,
      );
      expect(await prosody.fingerprint()).toBe(before);
      expect(await (await prosody.session()).end()).toBe("alive");
      await prosody.bring();
    }, 60_000);

    test("an authentication that failed at the last start is loaded once it can be", async () => {
      const provides = `module:provides("auth", { get_sasl_handler = function () return require "util.sasl".new(module.host, {}) end })`;
      await prosody.sh(
        `cat >${plugins}/mod_auth_late.lua <<'EOF'\nassert(not io.open "${plugins}/late", "too early")\n${provides}\nEOF`,
      );
      const parts = { global: `plugin_paths = { "${plugins}" }\nauthentication = "late"` };
      await prosody.bring(parts);
      await prosody.sh(`touch ${plugins}/late; systemctl restart prosody`);
      await until(async () => (await prosody.read())?.live === false);
      await prosody.sh(`rm ${plugins}/late`);
      const pid = await prosody.pid();
      await prosody.bring(parts);
      expect([await prosody.pid(), (await prosody.read())?.live]).toEqual([pid, true]);
      await prosody.bring();
    }, 120_000);
  });

  describe("a change that was cut off", () => {
    const target = inputs({
      modules: ["time"],
      hosts: 'Component "conference.example.test" "muc"\n  restrict_room_creation = true\n',
    });

    test("between the files and the server is seen, and the next one heals it", async () => {
      const [client, before] = [await prosody.session(), await prosody.pid()];
      await expect(configuration.update(killedAfter(host, swap), prosody.state, target)).rejects.toThrow(
        "killed",
      );
      const seen = await prosody.read({ ...target, warnings: [] });
      expect(seen).toEqual({ ...target, live: false, warnings: [] });
      prosody.state = await configuration.update(host, seen!, target);
      expect(await prosody.shell('module:list("example.test")')).toMatch(/time/);
      expect(await prosody.read()).toEqual({ ...target, warnings: [] });
      expect(await prosody.sh("ls -A /etc/prosody | grep '^[.]' || true")).toBe("");
      expect([await prosody.pid(), await client.end()]).toEqual([before, "alive"]);
      await prosody.bring();
    }, 60_000);

    test("can be followed by one that fails: what worked last comes back", async () => {
      const before = await prosody.fingerprint();
      await expect(configuration.update(killedAfter(host, swap), prosody.state, target)).rejects.toThrow(
        "killed",
      );
      await expect(prosody.bring({ global: 'c2s_interfaces = { "192.0.2.1" }' })).rejects.toThrow(
        /is back in force/,
      );
      expect(await prosody.fingerprint()).toBe(before);
      expect(await prosody.read()).toEqual(prosody.state);
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
    prosody.state = await configuration.update(recorded, prosody.state, inputs({ secret: canary }));
    const broken = inputs({ secret: `${canary}" "${canary}` });
    const error = await configuration
      .update(recorded, prosody.state, broken)
      .catch((thrown: Error) => thrown.message);
    expect(error).toMatch(/secrets\.cfg\.lua/);
    expect([...scripts, error].filter((text) => String(text).includes(canary))).toEqual([]);
    expect(scripts.length).toBeGreaterThan(5);
    await prosody.bring();
  }, 60_000);
});

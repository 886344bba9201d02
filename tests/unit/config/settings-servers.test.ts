import { Secret } from "../../../config/secret";
import { environment, files, good, hostKey } from "../../fixtures/bad-configs/base";
import { machine } from "../../helpers/environment";
import { parsed, revealed, server } from "../../helpers/settings";

describe("how a host is reached", () => {
  const host = (change: object, env = environment) =>
    server({ ...good(), host: { address: "192.0.2.1", ...change } }, [], env).host;
  const withAgent = machine(files, { agent: "/run/agent" });

  test("an agent and a standard key, where nothing is said", () => {
    expect(host({}, withAgent).login).toEqual({
      privateKeyFile: "/home/me/.ssh/id_ed25519",
      agent: "/run/agent",
    });
  });
  test("only what is said", () => {
    expect(host({ agent: "true" }, withAgent).login).toEqual({ agent: "/run/agent" });
    expect(host({ privateKeyFile: "~/.ssh/id_ed25519" }, withAgent).login).toEqual({
      privateKeyFile: "/home/me/.ssh/id_ed25519",
    });
  });
  test("both where both are said", () => {
    expect(host({ privateKeyFile: "~/.ssh/id_ed25519", agent: true }, withAgent).login).toEqual({
      privateKeyFile: "/home/me/.ssh/id_ed25519",
      agent: "/run/agent",
    });
  });
  test("trust on first use needs no file yet", () => {
    const { "/home/me/.ssh/known_hosts": _, ...others } = files;
    expect(host({ trustOnFirstUse: true }, machine(others)).trust).toEqual({
      kind: "firstUse",
      file: "/home/me/.ssh/known_hosts",
    });
  });
  test("sudo without a password", () => {
    expect(host({ user: "admin", sudo: true }).sudo).toEqual({});
  });
});

describe("where clients are sent to", () => {
  const dns = (host: object, dns: object = {}) => {
    const { target, address, ttl } = server({ ...good(), host: { ...good().host, ...host }, dns }).dns;
    return { target, address, ttl };
  };
  const jump = { address: "bastion.example.com", hostKey, privateKeyFile: "~/.ssh/id_ed25519" };
  const none = { target: undefined, address: {}, ttl: 3600 };

  test.each<[string, object, object, object]>([
    ["the name that SSH uses", { address: "host.example.net" }, {}, { target: "host.example.net" }],
    ["the address that SSH uses", { address: "203.0.113.5" }, {}, { address: { ipv4: "203.0.113.5" } }],
    ["in version 6, too", { address: "2001:DB8::0:5" }, {}, { address: { ipv6: "2001:db8::5" } }],
    ["nothing, behind a jump host", { address: "10.0.0.2", jump }, {}, {}],
    ["nothing, behind one of some name", { address: "a.internal", jump }, {}, {}],
    ["nothing, by a name without a domain", { address: "pi" }, {}, {}],
    ...["pi.lan", "pi.local", "pi.localdomain", "PI.internal", "pi.home.arpa"].map(
      (address): [string, object, object, object] => [
        `nothing, by a name of one network: ${address}`,
        { address },
        {},
        {},
      ],
    ),
    [
      "a given target, by a name of one network",
      { address: "pi.lan" },
      { target: "pi.lan" },
      { target: "pi.lan" },
    ],
    [
      "a given address",
      { address: "host.example.net" },
      { address: { ipv4: "192.0.2.9" } },
      { address: { ipv4: "192.0.2.9" } },
    ],
    [
      "a given target at the address that SSH uses",
      { address: "203.0.113.5" },
      { target: "chat.example.com" },
      { target: "chat.example.com", address: { ipv4: "203.0.113.5" } },
    ],
  ])("%s", (_what, host, given, expected) => {
    expect(dns(host, given)).toEqual({ ...none, ...expected });
  });

  test("a name of the network that the virtual hosts are in", () => {
    const config = {
      host: { ...good().host, address: "pi.lan" },
      domains: { "chat.lan": { selfSigned: true } },
      jids: {},
    };
    expect(server(config).dns).toMatchObject({ target: "pi.lan", address: {} });
  });

  test.each<[string, string, string | string[], object]>([
    ["of a host with a name of one network", "pi.lan", "203.0.113.9", { ipv4: "203.0.113.9" }],
    ["of a private host", "192.168.1.7", "203.0.113.9", { ipv4: "203.0.113.9" }],
    [
      "beside the own one of version 6",
      "2001:db8::7",
      "203.0.113.9",
      { ipv4: "203.0.113.9", ipv6: "2001:db8::7" },
    ],
    [
      "of both versions",
      "192.168.1.7",
      ["2001:DB8::9", "203.0.113.9"],
      { ipv4: "203.0.113.9", ipv6: "2001:db8::9" },
    ],
  ])("the external address %s", (_what, address, externalAddress, expected) => {
    const config = { ...good(), host: { ...good().host, address }, turn: { externalAddress } };
    expect(server(config).dns).toMatchObject({ target: undefined, address: expected });
  });

  test("the external address of a host behind a jump host, which a provider needs", () => {
    const key = { name: "prosody", secret: "c2VjcmV0IG9mIHRoZSBsYWI=" };
    const config = {
      ...good(),
      host: { ...good().host, address: "10.0.0.2", jump },
      turn: { externalAddress: "203.0.113.9" },
      dns: { provider: "rfc2136", nameServer: "ns1.example.com", key },
    };
    expect(server(config).dns.address).toEqual({ ipv4: "203.0.113.9" });
  });

  test("Cloudflare decides for itself how long a record is kept", () => {
    const zones = { "example.com": "023e105f4ecef8ad9ca31a8372d0c353" };
    expect(dns({}, { provider: "cloudflare", zones }).ttl).toBe(1);
    expect(dns({}, { provider: "cloudflare", zones, ttl: 300 }).ttl).toBe(300);
  });
});

describe("several servers", () => {
  const berlin = () => ({ ...good(), admins: ["alice@example.com"] });
  const paris = (
    host: unknown = { address: "paris.example.net", hostKey, privateKeyFile: "~/.ssh/id_ed25519" },
  ) => ({
    host,
    domains: {
      "other.example": {
        certificate: "certs/other.crt",
        keyFile: "certs/other.key",
        intermediates: "certs/inner.crt",
      },
    },
  });

  test("each is what it would be alone, but for its name", () => {
    const { servers } = parsed({
      servers: { berlin: berlin(), "paris.2": paris() },
      host: {},
      domains: {},
      jids: {},
    });
    expect(revealed(servers)).toEqual([
      revealed({ ...server(berlin()), name: "berlin" }),
      revealed({ ...server(paris()), name: "paris.2" }),
    ]);
  });
  test("one of them that is called prosody is the same server", () => {
    expect(revealed(parsed({ servers: { prosody: berlin() } }).servers)).toEqual([
      revealed(server(berlin())),
    ]);
  });
  test("an option at the top level is the default of all; a server's own replaces all of it", () => {
    const { servers } = parsed({
      logging: { file: "warn", syslog: "error" },
      ports: { https: 8443, proxy65: false },
      servers: { berlin: { ...berlin(), ports: { server: 5270 } }, paris: paris() },
    });
    expect(
      servers.map(({ logging, ports: { https, proxy65, server } }) => [logging, https, proxy65, server]),
    ).toEqual([
      [{ file: "warn", syslog: "error" }, 5281, 5000, 5270],
      [{ file: "warn", syslog: "error" }, 8443, false, 5269],
    ]);
  });
  test("options are secret where something in servers is encrypted, or in the shared ones", () => {
    const options = { motd_text: "Hello" };
    const secret = (config: Record<string, unknown>, encrypted: string[]) =>
      parsed(config, encrypted).servers.map((each) => each.options.motd_text instanceof Secret);
    const own = { servers: { berlin: { ...berlin(), options }, paris: paris() } };
    expect(secret(own, [])).toEqual([false, false]);
    expect(secret(own, ["servers"])).toEqual([true, false]);
    const shared = { servers: { berlin: { ...berlin(), options }, paris: paris() }, options };
    expect(secret(shared, ["servers"])).toEqual([true, false]);
    expect(secret(shared, ["options"])).toEqual([false, true]);
  });
  test.each<[string, object, object]>([
    ["ports of one router", { port: 2201 }, { port: 2202 }],
    [
      "jump hosts",
      {},
      { jump: { address: "bastion.example.com", hostKey, privateKeyFile: "~/.ssh/id_ed25519" } },
    ],
  ])("the same address behind different %s is another host", (_what, one, other) => {
    const host = { address: "10.0.0.2", hostKey, privateKeyFile: "~/.ssh/id_ed25519" };
    const { servers } = parsed({
      servers: { berlin: { ...berlin(), host: { ...host, ...one } }, paris: paris({ ...host, ...other }) },
    });
    expect(servers.map((each) => each.host.address)).toEqual(["10.0.0.2", "10.0.0.2"]);
  });
  test("a warning says which of them are looked for at one address and port", () => {
    const warningsOf = (more: object, of: object = {}) =>
      parsed({ servers: { berlin: berlin(), paris: { ...paris(), ...of } }, ...more }).warnings.filter(
        (each) => each.includes("another host"),
      );
    const said = (option: string, where: string) => [
      `prosody:${option}: clients of paris are sent to ${where}, port 5222, and so are those of berlin, another host. Give each server its own in prosody:servers.paris.dns, or other ports.`,
    ];
    const address = { ipv4: "203.0.113.5" };
    expect(warningsOf({ dns: { address } })).toEqual(said("dns.address", "203.0.113.5"));
    expect(warningsOf({ dns: { target: "chat.provider.example" } })).toEqual(
      said("dns.target", "chat.provider.example"),
    );
    expect(warningsOf({ dns: { address } }, { dns: { address: { ipv4: "203.0.113.6" } } })).toEqual([]);
    const ports = {
      clientStarttls: 15222,
      clientDirectTls: false,
      server: 15269,
      https: 15281,
      proxy65: false,
    };
    expect(warningsOf({ dns: { address } }, { ports })).toEqual([]);
  });
  test("warnings name the option where it stands, a shared one once", () => {
    const { warnings } = parsed(
      { servers: { berlin: berlin(), paris: paris() }, options: { registration_secret: "x" } },
      ["host"],
    );
    const clear = (option: string) =>
      `prosody:${option}: it is stored in clear. Encrypt it: pulumi config set --path --secret '${option}'`;
    expect(warnings).toEqual([
      clear('servers.berlin.jids["alice@example.com"]'),
      clear("options.registration_secret"),
      expect.stringMatching(
        /^prosody:servers\.berlin\.domains\["example\.com"\]\.intermediates: the chain ends/,
      ),
      expect.stringMatching(
        /^prosody:servers\.paris\.domains\["other\.example"\]\.certificate: .*prosody:servers\.paris\.conference: false/,
      ),
      expect.stringMatching(
        /^prosody:servers\.paris\.domains\["other\.example"\]\.intermediates: the chain ends/,
      ),
    ]);
  });
});

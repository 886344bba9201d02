import { certificateNames } from "../../../config/certificate-names";
import { defaultModules } from "../../../config/features";
import { decode, parse } from "../../../config/parse";
import { Secret } from "../../../config/secret";
import type { Server } from "../../../config/settings";
import { changed, environment, files, good, hostKey, pki, sshKeys } from "../../fixtures/bad-configs/base";
import { machine } from "../../helpers/environment";

/** The server that a stack config comes to. */
function server(config: Record<string, unknown>, encrypted: string[] = [], env = environment): Server {
  const { settings, problems } = parse(config, env, new Set(encrypted));
  expect(problems).toEqual([]);
  return settings!.servers[0]!;
}

/** Secrets compare as equal whatever they hold, so tests look into them. */
const revealed = (value: unknown): unknown => {
  if (value instanceof Secret) return { secret: value.reveal() };
  if (Array.isArray(value)) return value.map(revealed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revealed(inner)]));
};

test("one host, one domain and one JID are enough", () => {
  const { certificate } = pki.leaf;
  const config = {
    host: "xmpp.example.com",
    domains: { "example.com": { certificate: "certs/chain.crt", keyFile: "certs/leaf.key" } },
    jids: { "alice@example.com": "hunter2" },
  };
  expect(revealed(server(config))).toEqual({
    name: "prosody",
    host: {
      address: "xmpp.example.com",
      port: 22,
      user: "root",
      trust: { kind: "knownHosts", file: "/home/me/.ssh/known_hosts" },
      login: { privateKeyFile: "/home/me/.ssh/id_ed25519" },
      sudo: false,
      connectTimeout: 10,
    },
    domains: [
      {
        name: "example.com",
        certificate: {
          certificate,
          key: { secret: pki.leaf.key },
          intermediates: [pki.inner.certificate, pki.outer.certificate],
        },
      },
    ],
    jids: [{ jid: "alice@example.com", password: { secret: "hunter2" }, policy: "initial" }],
    admins: [],
    ports: {
      clientStarttls: 5222,
      clientDirectTls: 5223,
      server: 5269,
      serverDirectTls: false,
      https: 5281,
      proxy65: 5000,
      turn: 3478,
      turnTls: 5349,
      components: 5347,
    },
    conference: { enabled: true, subdomain: "conference", creators: "local" },
    upload: {
      enabled: true,
      subdomain: "upload",
      maxBytes: 104857600,
      dailyQuotaBytes: 1073741824,
      expiresAfterDays: 28,
    },
    proxy65: { enabled: true, subdomain: "proxy" },
    components: [],
    componentInterfaces: [],
    modulesOrigin: { kind: "package" },
    turn: {
      enabled: true,
      subdomain: "turn",
      externalAddress: [],
      relayPorts: { from: 49152, to: 65535 },
      tls: true,
    },
    modules: defaultModules,
    extraModules: [],
    disabledModules: [],
    logging: { file: "info", syslog: "info" },
    metrics: { enabled: false, addresses: [], network: undefined },
    webClient: false,
    storage: { kind: "internal" },
    contacts: { abuse: ["mailto:postmaster@example.com"], admin: [], support: [], security: [] },
    tls: { minimum: "1.2" },
    dns: {
      provider: "none",
      target: "xmpp.example.com",
      address: {},
      ttl: 3600,
      caa: [],
      tlsa: false,
      takeOver: false,
      cloudflare: { zones: {} },
    },
    firewall: { mode: "auto", https443: false },
    selinux: "auto",
    hooks: { before: [], after: [] },
    options: {},
  });
});

test("what is written is what comes out", () => {
  const config = {
    ...good(),
    host: {
      address: "2001:DB8::5",
      port: 2222,
      user: "admin",
      hostKey: [`${hostKey} root@xmpp`, hostKey],
      privateKey: sshKeys.encrypted.private,
      passphrase: "open sesame",
      agent: "agent.sock",
      sudo: { password: "sudo's" },
      connectTimeout: 30,
      jump: {
        address: "bastion.example.com",
        trustOnFirstUse: true,
        knownHosts: "known",
        privateKeyFile: "~/.ssh/id_ed25519",
      },
    },
    admins: ["Alice@example.com", "root@Other.Example", "alice@EXAMPLE.com"],
    ports: {
      clientStarttls: 15222,
      clientDirectTls: false,
      server: false,
      serverDirectTls: 5270,
      https: 8443,
      proxy65: 5001,
      turn: 13478,
      turnTls: 15349,
      components: false,
    },
    conference: { subdomain: "Rooms.Chat", creators: "admins" },
    upload: { enabled: true, subdomain: "files", maxBytes: 1, dailyQuotaBytes: 2, expiresAfterDays: 3 },
    proxy65: { enabled: false, subdomain: "p" },
    componentInterfaces: ["127.0.0.1", "::1", "127.0.0.1"],
    turn: { subdomain: "calls", externalAddress: "203.0.113.5", relayPorts: "50000 - 50999" },
    modules: ["roster", "mod_mam", "roster"],
    extraModules: "motd",
    disabledModules: ["private"],
    metrics: { allow: ["192.0.2.7", "10.20.0.0/16"] },
    webClient: "true",
    logging: { file: false, syslog: "debug" },
    storage: {
      postgresql: { host: "db.example.com", password: "p", tls: { authorityFile: "certs/chain.crt" } },
    },
    contacts: {
      abuse: ["mailto:abuse@example.com", "XMPP:abuse@example.com"],
      support: "https://example.com/help",
    },
    tls: { minimum: 1.3 },
    dns: {
      provider: "rfc2136",
      target: "Chat.EXAMPLE.com",
      address: { ipv4: "203.0.113.5", ipv6: "2001:DB8:0::5" },
      ttl: "300",
      caa: " letsencrypt.org; validationmethods=dns-01",
      tlsa: "true",
      takeOver: true,
      zones: { "Exämple.com": "023e105f4ecef8ad9ca31a8372d0c353" },
      apiToken: "token",
      nameServer: { address: "[2001:db8::53]", port: 5353 },
      key: { name: "Prosody.", algorithm: "hmac-sha512", secret: "c2VjcmV0IG9mIHRoZSBsYWI=" },
    },
    firewall: { mode: "require", zone: "dmz", https443: "true" },
    selinux: "require",
    hooks: {
      before: [{ name: "snapshot", create: "./snapshot.sh", triggers: "v2" }],
      after: [
        {
          name: "announce",
          create: "logger up",
          update: "logger again",
          delete: "logger down",
          triggers: ["a", true],
          environment: { TEXT: "it's up", COUNT: 3 },
        },
      ],
    },
    options: { c2s_idle_timeout: 300, limits: { c2s: { rate: "10kb/s" } }, list: [1, "two", false] },
  };
  const { domains, jids, ...rest } = server(config, [], machine({ ...files, "/project/agent.sock": "" }));
  expect(revealed(rest)).toEqual({
    name: "prosody",
    host: {
      address: "2001:DB8::5",
      port: 2222,
      user: "admin",
      trust: { kind: "pinned", hostKeys: [hostKey, hostKey] },
      login: {
        privateKey: { secret: sshKeys.encrypted.private },
        passphrase: { secret: "open sesame" },
        agent: "/project/agent.sock",
      },
      sudo: { password: { secret: "sudo's" } },
      connectTimeout: 30,
      jump: {
        address: "bastion.example.com",
        port: 22,
        user: "root",
        trust: { kind: "firstUse", file: "/project/known" },
        login: { privateKeyFile: "/home/me/.ssh/id_ed25519" },
        connectTimeout: 10,
      },
    },
    admins: ["alice@example.com", "root@other.example"],
    ports: config.ports,
    conference: { enabled: true, subdomain: "rooms.chat", creators: "admins" },
    upload: config.upload,
    proxy65: config.proxy65,
    components: [],
    componentInterfaces: ["127.0.0.1", "::1"],
    modulesOrigin: { kind: "package" },
    turn: {
      enabled: true,
      subdomain: "calls",
      externalAddress: ["203.0.113.5"],
      relayPorts: { from: 50000, to: 50999 },
      tls: false, // the certificate has no calls.example.com
    },
    modules: ["roster", "mam"],
    extraModules: ["motd"],
    disabledModules: ["private"],
    logging: config.logging,
    metrics: { enabled: true, addresses: ["192.0.2.7"], network: "10.20.0.0/16" },
    webClient: true,
    storage: {
      kind: "postgresql",
      host: "db.example.com",
      port: 5432,
      database: "prosody",
      user: "prosody",
      password: { secret: "p" },
      tls: {
        authority: `${(pki.leaf.certificate + pki.inner.certificate + pki.outer.certificate).trim()}\n`,
      },
    },
    contacts: {
      abuse: ["mailto:abuse@example.com", "xmpp:abuse@example.com"],
      admin: [],
      support: ["https://example.com/help"],
      security: [],
    },
    tls: { minimum: "1.3" },
    dns: {
      provider: "rfc2136",
      target: "chat.example.com",
      address: { ipv4: "203.0.113.5", ipv6: "2001:db8::5" },
      ttl: 300,
      caa: ["letsencrypt.org; validationmethods=dns-01"],
      tlsa: true,
      takeOver: true,
      cloudflare: {
        zones: { "xn--exmple-cua.com": "023e105f4ecef8ad9ca31a8372d0c353" },
        apiToken: { secret: "token" },
      },
      nameServer: {
        address: "2001:db8::53",
        port: 5353,
        key: { name: "prosody", algorithm: "hmac-sha512", secret: { secret: "c2VjcmV0IG9mIHRoZSBsYWI=" } },
      },
    },
    firewall: { mode: "require", zone: "dmz", https443: true },
    selinux: "require",
    hooks: {
      before: [
        { name: "snapshot", where: "local", create: "./snapshot.sh", triggers: ["v2"], environment: {} },
      ],
      after: [
        {
          ...config.hooks.after[0],
          where: "local",
          triggers: ["a", "true"],
          environment: { TEXT: "it's up", COUNT: "3" },
        },
      ],
    },
    options: config.options,
  });
});

test.each<[string, unknown, [name: string, secret: string][]]>([
  [
    "on every virtual host",
    { IRC: "s" },
    [
      ["irc.example.com", "s"],
      ["irc.example.net", "s"],
    ],
  ],
  [
    "with another secret on one of them",
    { "a.b": { secret: 's"\\', domains: { "Example.NET": "t" } } },
    [
      ["a.b.example.com", 's"\\'],
      ["a.b.example.net", "t"],
    ],
  ],
  ["on all but one", { irc: { secret: "s", domains: { "example.com": false } } }, [["irc.example.net", "s"]]],
  ["on one alone", { irc: { domains: { "example.net": { secret: "t" } } } }, [["irc.example.net", "t"]]],
])("an external component %s", (_what, given, expected) => {
  const second = { certificate: pki.forNet.certificate, key: pki.forNet.key };
  const { components } = server(changed([["domains", "example.net"], second], [["components"], given]));
  expect(components.map(({ name, secret }) => [name, secret.reveal()])).toEqual(expected);
  expect(components.every(({ name, subdomain, domain }) => name === `${subdomain}.${domain}`)).toBe(true);
});

test.each<[string, unknown, unknown]>([
  ["a password", "hunter2", { password: { secret: "hunter2" }, policy: "initial" }],
  ["nothing", null, { password: undefined, policy: "initial" }],
  ["an empty text", "", { password: undefined, policy: "initial" }],
  ["a policy", { password: "x", policy: "enforced" }, { password: { secret: "x" }, policy: "enforced" }],
  ["an empty password", { password: null }, { password: undefined, policy: "initial" }],
  ["a password with spaces and an umlaut", " pä ß ", { password: { secret: " pä ß " }, policy: "initial" }],
])("an account with %s", (_what, account, expected) => {
  const { jids } = server({ ...good(), jids: { "Alice@EXAMPLE.com": account } });
  expect(revealed(jids)).toEqual([{ jid: "alice@example.com", ...(expected as object) }]);
});

test.each([
  ["Alice.B+c@example.com", "alice.b+c@example.com"],
  ["Жанна@example.com", "жанна@example.com"],
  ["ＡＢＣ@example.com", "abc@example.com"],
  ["e\u0301va@example.com", "\u00e9va@example.com"],
  [`${"x".repeat(1023)}@example.com`, `${"x".repeat(1023)}@example.com`],
  ["a@exämple.com", "a@xn--exmple-cua.com"],
])("the JID %s is kept as %s", (written, kept) => {
  expect(server({ ...good(), jids: {}, admins: written }).admins).toEqual([kept]);
});

test("domains are kept in their order, as they go over the wire", () => {
  const { certificate, key } = pki.idn;
  const domain = { certificate, key, intermediates: [pki.inner.certificate, pki.outer.certificate] };
  const config = { ...good(), domains: { "EXÄMPLE.example": domain, ...good().domains } };
  expect(server(config).domains.map(({ name }) => name)).toEqual(["xn--exmple-cua.example", "example.com"]);
});

test.each<[string, object, string[]]>([
  [
    "in one file with the certificate",
    { certificate: "certs/chain.crt", intermediates: [] },
    ["inner", "outer"],
  ],
  [
    "repeated in a bundle",
    { certificate: "certs/chain.crt", intermediates: "certs/chain.crt" },
    ["inner", "outer"],
  ],
  [
    "up to the root",
    { intermediates: ["certs/inner.crt", "certs/outer.crt", "certs/root.crt"] },
    ["inner", "outer", "root"],
  ],
])("intermediates %s", (_what, change, names) => {
  const domain = { ...(good().domains["example.com"] as object), ...change };
  const { certificate } = server({ ...good(), domains: { "example.com": domain } }).domains[0]!;
  expect(certificate).toMatchObject({
    certificate: pki.leaf.certificate,
    intermediates: names.map((name) => pki[name as "inner"].certificate),
  });
});

describe("a domain whose certificate is made on the host", () => {
  const domain = (entry: object) => server({ ...good(), domains: { "example.com": entry } });

  test("by an authority", () => {
    const caFile = "certs/root.crt";
    expect(domain({ acme: { email: "a@example.com" } }).domains).toEqual([
      {
        name: "example.com",
        acme: {
          email: "a@example.com",
          server: "https://acme-v02.api.letsencrypt.org/directory",
          challenge: "http-01",
          names: [],
        },
      },
    ]);
    expect(
      domain({ acme: { email: "a@example.com", server: "https://ca/dir", names: "WWW.example.com", caFile } })
        .domains[0]!.acme,
    ).toEqual({
      email: "a@example.com",
      server: "https://ca/dir",
      challenge: "http-01",
      names: ["www.example.com"],
      ca: pki.root.certificate,
    });
  });

  test("by itself", () =>
    expect(domain({ selfSigned: true }).domains).toEqual([{ name: "example.com", selfSigned: true }]));

  test("has all names, so that calls are relayed over TLS", () => {
    const settings = domain({ selfSigned: true });
    expect(settings.turn.tls).toBe(true);
    expect(certificateNames(settings, settings.domains[0]!)).toEqual([
      "conference.example.com",
      "example.com",
      "proxy.example.com",
      "turn.example.com",
      "upload.example.com",
    ]);
  });

  test("has the names of what is switched on, and further ones; calls have one name for all domains", () => {
    const settings = server({
      ...good(),
      domains: {
        "example.com": { selfSigned: true },
        "example.net": { acme: { email: "a@example.com", names: ["www.example.net"] } },
      },
      upload: false,
      proxy65: false,
      conference: { subdomain: "rooms" },
    });
    expect(settings.domains.map((each) => certificateNames(settings, each))).toEqual([
      ["example.com", "rooms.example.com", "turn.example.com"],
      ["example.net", "rooms.example.net", "www.example.net"],
    ]);
  });
});

test("a PEM text may be indented, as in a YAML block that went wrong", () => {
  const certificate = pki.leaf.certificate.replace(/^/gm, "  ");
  const key = pki.leaf.key.replace(/^/gm, "  ");
  const config = changed([
    ["domains", "example.com"],
    { certificate, key, intermediates: ["certs/inner.crt", "certs/outer.crt"] },
  ]);
  const [domain] = server(config).domains;
  expect(revealed(domain!.certificate!)).toMatchObject({
    certificate: pki.leaf.certificate,
    key: { secret: pki.leaf.key },
  });
});

describe("text where `pulumi config set` left text", () => {
  test("ports and switches", () => {
    const config = {
      ...good(),
      ports: { https: "8443", server: "false" },
      proxy65: "false",
      conference: "true",
      upload: { maxBytes: "5" },
    };
    expect(server(config)).toMatchObject({
      ports: { https: 8443, server: false },
      proxy65: { enabled: false },
      conference: { enabled: true },
      upload: { maxBytes: 5 },
    });
  });

  test.each([
    ["", undefined],
    [undefined, undefined],
    ["xmpp.example.com", "xmpp.example.com"],
    ["[::1]", "[::1]"],
    ['{"a":[1,null,"x"]}', { a: [1, null, "x"] }],
    ["[1]", [1]],
    ["false", "false"],
    ["12", "12"],
  ])("%j is read as %j", (text, value) => {
    expect(decode(text)).toEqual(value);
  });
});

describe("services that need a port", () => {
  test("are off without it", () => {
    const ports = { https: false, proxy65: false, turn: false, turnTls: false };
    expect(server({ ...good(), ports })).toMatchObject({
      upload: { enabled: false },
      proxy65: { enabled: false },
      turn: { enabled: false },
    });
    expect(server({ ...good(), ports: { turn: false } }).turn.enabled).toBe(true);
  });

  test("but for uploads through another web server", () => {
    const config = {
      ...good(),
      ports: { https: false },
      upload: true,
      options: { http_external_url: "https://u/" },
    };
    expect(server(config).upload.enabled).toBe(true);
  });
});

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

describe("what may be a secret among the options", () => {
  const options = {
    a: "text",
    b: { deep: ["text", 1] },
    registration_secret: "x",
    ldap: { password: "y", port: 389 },
  };

  test("by its name, where nothing is encrypted", () => {
    expect(revealed(server({ ...good(), options }).options)).toEqual({
      ...options,
      registration_secret: { secret: "x" },
      ldap: { password: { secret: "y" }, port: 389 },
    });
  });
  test("every text, where something is encrypted", () => {
    expect(revealed(server({ ...good(), options }, ["options"]).options)).toEqual({
      a: { secret: "text" },
      b: { deep: [{ secret: "text" }, 1] },
      registration_secret: { secret: "x" },
      ldap: { password: { secret: "y" }, port: 389 },
    });
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

  test("Cloudflare decides for itself how long a record is kept", () => {
    const zones = { "example.com": "023e105f4ecef8ad9ca31a8372d0c353" };
    expect(dns({}, { provider: "cloudflare", zones }).ttl).toBe(1);
    expect(dns({}, { provider: "cloudflare", zones, ttl: 300 }).ttl).toBe(300);
  });
});

test("accounts of a file come after those of the stack config, as if they stood there", () => {
  const text = `
# comments, quotes and JSON are YAML, too
bob@example.com: first-password
"carol@example.com": { "password": "#second", "policy": "enforced" }
Dora@Example.com: 'it''s: third'
mallory@example.com: null
oscar@example.com: ''
`;
  const env = machine({ ...files, "/project/private/jids.yaml": text });
  const { jids } = server({ ...good(), jidsFile: "private/jids.yaml" }, [], env);
  expect(revealed(jids)).toEqual([
    { jid: "alice@example.com", password: { secret: "correct horse" }, policy: "initial" },
    { jid: "bob@example.com", password: { secret: "first-password" }, policy: "initial" },
    { jid: "carol@example.com", password: { secret: "#second" }, policy: "enforced" },
    { jid: "dora@example.com", password: { secret: "it's: third" }, policy: "initial" },
    { jid: "mallory@example.com", password: undefined, policy: "initial" },
    { jid: "oscar@example.com", password: undefined, policy: "initial" },
  ]);
});

test("a file may have no account", () => {
  const env = machine({ ...files, "/project/jids.yaml": "{}" });
  expect(server({ ...good(), jidsFile: "jids.yaml" }, [], env).jids).toHaveLength(1);
});

test("administrators are whom to tell about abuse", () => {
  expect(server({ ...good(), admins: ["alice@example.com", "жanna@example.com"] }).contacts.abuse).toEqual([
    "xmpp:alice@example.com",
    "xmpp:%D0%B6anna@example.com",
  ]);
});

test("where hooks hold a secret, every command and every variable is one", () => {
  const hook = { name: "announce", create: "a", update: "b", delete: "c", environment: { A: "d" } };
  const parsed = (encrypted: string[]) =>
    server({ ...good(), hooks: { after: [hook] } }, encrypted).hooks.after[0];
  const rest = { name: "announce", where: "local", triggers: [] };
  expect(revealed(parsed(["host"]))).toEqual({ ...hook, ...rest });
  const secret = (text: string) => ({ secret: text });
  expect(revealed(parsed(["hooks"]))).toEqual({
    ...rest,
    create: secret("a"),
    update: secret("b"),
    delete: secret("c"),
    environment: { A: secret("d") },
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
  const parsed = (config: Record<string, unknown>, encrypted: string[] = []) => {
    const { settings, problems } = parse(config, environment, new Set(encrypted));
    expect(problems).toEqual([]);
    return settings!;
  };

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

test.each([
  ["require", { mode: "require", https443: false }],
  [false, { mode: "off", https443: false }], // YAML's `off`
  [{ https443: true }, { mode: "auto", https443: true }],
])("the firewall in short: %j", (firewall, expected) => {
  expect(server({ ...good(), firewall }).firewall).toEqual(expected);
});

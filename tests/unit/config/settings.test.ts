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
    modules: defaultModules,
    extraModules: [],
    disabledModules: [],
    logging: { file: "info", syslog: "info" },
    contacts: { abuse: ["mailto:postmaster@example.com"], admin: [], support: [], security: [] },
    tls: { minimum: "1.2" },
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
      components: false,
    },
    conference: { subdomain: "Rooms.Chat", creators: "admins" },
    upload: { enabled: true, subdomain: "files", maxBytes: 1, dailyQuotaBytes: 2, expiresAfterDays: 3 },
    proxy65: { enabled: false, subdomain: "p" },
    modules: ["roster", "mod_mam", "roster"],
    extraModules: "motd",
    disabledModules: ["private"],
    logging: { file: false, syslog: "debug" },
    contacts: {
      abuse: ["mailto:abuse@example.com", "XMPP:abuse@example.com"],
      support: "https://example.com/help",
    },
    tls: { minimum: 1.3 },
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
    modules: ["roster", "mam"],
    extraModules: ["motd"],
    disabledModules: ["private"],
    logging: config.logging,
    contacts: {
      abuse: ["mailto:abuse@example.com", "xmpp:abuse@example.com"],
      admin: [],
      support: ["https://example.com/help"],
      security: [],
    },
    tls: { minimum: "1.3" },
    options: config.options,
  });
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

test("a PEM text may be indented, as in a YAML block that went wrong", () => {
  const certificate = pki.leaf.certificate.replace(/^/gm, "  ");
  const key = pki.leaf.key.replace(/^/gm, "  ");
  const config = changed([
    ["domains", "example.com"],
    { certificate, key, intermediates: ["certs/inner.crt", "certs/outer.crt"] },
  ]);
  const [domain] = server(config).domains;
  expect(revealed(domain!.certificate)).toMatchObject({
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
    expect(server({ ...good(), ports: { https: false, proxy65: false } })).toMatchObject({
      upload: { enabled: false },
      proxy65: { enabled: false },
    });
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
    turn_external_secret: "x",
    sql: { password: "y", port: 5432 },
  };

  test("by its name, where nothing is encrypted", () => {
    expect(revealed(server({ ...good(), options }).options)).toEqual({
      ...options,
      turn_external_secret: { secret: "x" },
      sql: { password: { secret: "y" }, port: 5432 },
    });
  });
  test("every text, where something is encrypted", () => {
    expect(revealed(server({ ...good(), options }, ["options"]).options)).toEqual({
      a: { secret: "text" },
      b: { deep: [{ secret: "text" }, 1] },
      turn_external_secret: { secret: "x" },
      sql: { password: { secret: "y" }, port: 5432 },
    });
  });
});

test("administrators are whom to tell about abuse", () => {
  expect(server({ ...good(), admins: ["alice@example.com", "жanna@example.com"] }).contacts.abuse).toEqual([
    "xmpp:alice@example.com",
    "xmpp:%D0%B6anna@example.com",
  ]);
});

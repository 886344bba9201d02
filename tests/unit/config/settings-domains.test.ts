import { certificateNames } from "../../../config/certificate-names";
import { changed, files, good, pki } from "../../fixtures/bad-configs/base";
import { machine } from "../../helpers/environment";
import { revealed, server } from "../../helpers/settings";

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

test("administrators are whom to tell about abuse", () => {
  expect(server({ ...good(), admins: ["alice@example.com", "жanna@example.com"] }).contacts.abuse).toEqual([
    "xmpp:alice@example.com",
    "xmpp:%D0%B6anna@example.com",
  ]);
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
  expect(revealed(domain!.certificate!)).toMatchObject({
    certificate: pki.leaf.certificate,
    key: { secret: pki.leaf.key },
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

  test("of which calls have theirs is for the stack config to say", () => {
    const settings = server({
      ...good(),
      domains: { "example.com": { selfSigned: true }, "example.net": { selfSigned: true } },
      turn: { domain: "Example.NET" },
    });
    expect(settings.turn).toMatchObject({ domain: "example.net", tls: true });
    expect(
      settings.domains.map((each) => certificateNames(settings, each).includes(`turn.${each.name}`)),
    ).toEqual([false, true]);
  });
});

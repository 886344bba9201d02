import { parse } from "../../../config/parse";
import { changed, environment, files, good, pki, sshKeys } from "../../fixtures/bad-configs/base";
import { machine } from "../../helpers/environment";

const all = ["host", "domains", "jids", "components", "options"];

/** Warnings of a stack config without problems; the chain goes up to the root and everything is encrypted. */
function warnings(config: Record<string, unknown>, encrypted = all, env = environment): string[] {
  const { settings, problems } = parse(config, env, new Set(encrypted));
  expect(problems).toEqual([]);
  return settings!.warnings;
}

const domain = (certificate: string, key = certificate, intermediates = ["inner", "outer", "root"]) => ({
  certificate: `certs/${certificate}.crt`,
  keyFile: `certs/${key}.key`,
  intermediates: intermediates.map((name) => `certs/${name}.crt`),
});
const config = (entry: object, more: object = {}) => ({
  ...good(),
  domains: { "example.com": entry },
  ...more,
});

test("a complete configuration has none", () => {
  expect(warnings(config(domain("leaf")))).toEqual([]);
});

const uncovered = 'prosody:domains["example.com"].certificate: it does not cover';
const names = "among its subject alternative names (or *.example.com), or set";

describe("a certificate for the bare domain alone", () => {
  test.each<[string, object, string[]]>([
    [
      "is not enough for rooms, uploads and calls",
      {},
      [
        `${uncovered} conference.example.com, upload.example.com and turn.example.com, so users of other servers can't join rooms, clients can't upload files and calls can't be relayed over TLS. Ask for a certificate with these names ${names} prosody:conference: false, prosody:upload: false or prosody:ports.turnTls: false.`,
      ],
    ],
    [
      "is enough for rooms without other servers",
      { ports: { server: false, turnTls: false } },
      [
        `${uncovered} upload.example.com, so clients can't upload files. Ask for a certificate with this name ${names} prosody:upload: false.`,
      ],
    ],
    [
      "names the subdomain that is used",
      { upload: false, turn: false, conference: { subdomain: "rooms" } },
      [
        `${uncovered} rooms.example.com, so users of other servers can't join rooms. Ask for a certificate with this name ${names} prosody:conference: false.`,
      ],
    ],
    [
      "is not enough for an external component that other servers talk to",
      { upload: false, conference: false, turn: false, components: { irc: "hunter2" } },
      [
        `${uncovered} irc.example.com, so users of other servers can't reach irc.example.com. Ask for a certificate with this name among its subject alternative names (or *.example.com).`,
      ],
    ],
    [
      "is enough for an external component without other servers",
      {
        upload: false,
        conference: false,
        turn: false,
        components: { irc: "hunter2" },
        ports: { server: false },
      },
      [],
    ],
    ["is enough without them", { upload: false, conference: false, turn: false }, []],
  ])("%s", (_what, more, expected) => {
    expect(warnings(config(domain("bare"), more))).toEqual(expected);
  });
});

test("a wildcard beside the domain covers its subdomains", () => {
  expect(warnings(config(domain("star")))).toEqual([]);
});

test("a certificate that expires soon", () => {
  const late = machine(files, { now: new Date("2026-12-20") });
  expect(warnings(config(domain("leaf")), all, late)).toEqual([
    'prosody:domains["example.com"].certificate: it expires on 2027-01-01, in 12 days. Replace the files by renewed ones and run pulumi up, or let the host renew it by itself (acme).',
  ]);
});

test("a chain that leads to no public authority", () => {
  const ends = (issuer: string) => [
    `prosody:domains["example.com"].intermediates: the chain ends at ${issuer}, which is no public authority; clients that don't know it refuse the certificate. Add what is missing, ${issuer} itself included.`,
  ];
  expect(warnings(config(domain("leaf", "leaf", ["inner", "outer"])))).toEqual(ends("Test Root"));
  expect(warnings(config(domain("leaf", "leaf", [])))).toEqual(ends("Inner CA"));
});

test("a name among disabledModules that switches nothing off", () => {
  const disabledModules = [
    "carbon",
    "bosh",
    "mod_private",
    "privacy_lists",
    "offline",
    "invitation_page",
    "a_b_c_d",
  ];
  const nothing = (name: string) =>
    `prosody:disabledModules: nothing loads a module ${name}, so that this switches nothing off;`;
  expect(warnings(config(domain("leaf"), { disabledModules }))).toEqual([
    `${nothing("carbon")} did you mean carbons?`,
    `${nothing("a_b_c_d")} leave it out.`,
  ]);
});

test("a self-signed certificate is what somebody wanted", () => {
  expect(warnings(config(domain("selfSigned", "selfSigned", [])))).toEqual([]);
});

test("secrets in clear, each with the command that encrypts it", () => {
  const all = changed(
    [["host", "privateKeyFile"], undefined],
    [["host", "privateKey"], sshKeys.encrypted.private],
    [["host", "passphrase"], "open sesame"],
    [["host", "user"], "admin"],
    [["host", "sudo"], { password: "hunter2" }],
    [["domains", "example.com"], { certificate: pki.selfSigned.certificate, key: pki.selfSigned.key }],
    [["jids", "bob@example.com"], { password: "hunter2" }],
    [["jids", "mallory@example.com"], null],
    [["ports", "server"], false],
    [["components"], { irc: "hunter2", xmpp: { secret: "hunter2", domains: { "example.com": "hunter2" } } }],
    [["options"], { turn_external_secret: "hunter2", c2s_idle_timeout: 300 }],
    [["options"], { registration_secret: "hunter2", c2s_idle_timeout: 300 }],
  );
  const clear = (option: string) =>
    `prosody:${option}: it is stored in clear. Encrypt it: pulumi config set --path --secret '${option}'`;
  expect(warnings(all, [])).toEqual([
    clear('jids["alice@example.com"]'),
    clear('jids["bob@example.com"].password'),
    clear('domains["example.com"].key'),
    clear("components.irc"),
    clear("components.xmpp.secret"),
    clear('components.xmpp.domains["example.com"]'),
    clear("host.privateKey"),
    clear("host.passphrase"),
    clear("host.sudo.password"),
    clear("options.registration_secret"),
  ]);
});

test("many passwords in clear are one line", () => {
  const names = ["alice", "b", "c", "d"].map((name) => `${name}@example.com`);
  const all = changed(...names.map((jid): [string[], unknown] => [["jids", jid], "hunter2"]));
  expect(warnings(all, []).filter((text) => text.includes("in clear"))).toEqual([
    `prosody:jids: 4 passwords are stored in clear, those of alice@example.com, b@example.com, c@example.com and others. Encrypt each: pulumi config set --path --secret 'jids["JID"]' ('jids["JID"].password' where the account is a map)`,
  ]);
  expect(warnings(all).filter((text) => text.includes("in clear"))).toEqual([]);
});

test("external components that connect from elsewhere", () => {
  const open = (componentInterfaces: unknown) =>
    warnings(config(domain("leaf"), { componentInterfaces, ports: { components: 5555 } }));
  expect(open(["127.0.0.1", "10.0.0.5", "::"])).toEqual([
    "prosody:componentInterfaces: external components may connect at 10.0.0.5 and ::, without encryption. See that nobody else reaches port 5555 there, or leave the option out.",
  ]);
  expect(open(["127.0.0.1", "::1"])).toEqual([]);
});

test.each([[all], [["host", "domains", "jids"]]])(
  "accounts beside an authentication that has its own, encrypted: %j",
  (encrypted) => {
    const told = (authentication: string, more: object = {}) =>
      warnings(config(domain("leaf"), { options: { authentication }, ...more }), encrypted);
    expect(told("ldap")).toEqual([
      expect.stringMatching(/^prosody:options\.authentication: it has accounts of its own, /),
    ]);
    expect(told("ldap", { jids: {} })).toEqual([]);
    expect(told("internal_plain")).toEqual([]);
  },
);

test("an administrator whose account nobody may have made yet", () => {
  const told = (more: object) => warnings(config(domain("leaf"), more));
  const vacant = [
    "prosody:admins: boss@example.com is none of prosody:jids. While there is no such account, who has an invitation may choose that name, and is administrator then. Add it to prosody:jids; an account that is there keeps its password.",
  ];
  expect(told({ admins: ["alice@example.com", "boss@example.com", "boss@other.example"] })).toEqual(vacant);
  expect(told({ admins: ["boss@example.com"], jids: { "boss@example.com": "x" } })).toEqual([]);
  // Who is called so there, the directory says.
  expect(told({ admins: ["boss@example.com"], jids: {}, options: { authentication: "ldap" } })).toEqual([]);
});

import * as pulumi from "@pulumi/pulumi";
import { load, parseHosts, passwordsOf } from "../../../config/load";
import { Secret } from "../../../config/secret";
import { changed, environment, hostKey, pki, sshKeys } from "../../fixtures/bad-configs/base";

/** Hands a stack config over as the language host does: lists and maps as JSON, all else as text. */
function stack(config: Record<string, unknown>, secrets: string[] = []): void {
  const texts = Object.entries(config).map(([key, value]) => [
    key.includes(":") ? key : `prosody:${key}`,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  pulumi.runtime.setAllConfig(Object.fromEntries(texts), secrets);
}

const domains = { "example.com": { certificate: pki.selfSigned.certificate, key: pki.selfSigned.key } };
const host = { address: "xmpp.example.com", hostKey, privateKey: sshKeys.plain.private };
const jids = { "alice@example.com": "hunter2" };
const all = ["prosody:host", "prosody:domains", "prosody:jids"];

test("the settings of the stack", () => {
  stack(
    { host, domains, jids, ports: { https: 8443 }, conference: "false", modules: "", "other:thing": "x" },
    all,
  );
  const { servers, warnings } = load();
  expect(warnings).toEqual([]);
  expect(servers).toHaveLength(1);
  expect(servers[0]).toMatchObject({
    name: "prosody",
    ports: { https: 8443, clientStarttls: 5222 },
    conference: { enabled: false },
  });
  expect(servers[0]!.jids[0]!.password!.reveal()).toBe("hunter2");
});

test("every problem in one error that Pulumi prints as it is", () => {
  stack({ host, domains: {}, jids: { "alice@example.com": "null" }, ports: { https: 443 }, tls: "x" }, [
    "prosody:host",
    "prosody:jids",
    "prosody:tls",
  ]);
  expect(load).toThrow(pulumi.RunError);
  expect(load).toThrow(
    `The stack config has 4 problems; nothing was changed.
  prosody:domains: name at least one domain, with its certificate.
  prosody:jids["alice@example.com"]: this word for nothing is no password; an account that must not exist has an empty value, in the stack config by pulumi config set --path 'jids["JID"]' ''.
  prosody:ports.https = 443: Prosody runs without root's rights and can't open a port below 1024; choose a higher one and let prosody:firewall.https443 lead port 443 to it.
  prosody:tls: give a map with minimum.
Every option is explained in docs/configuration.md.`,
  );
});

test("an option in a misspelt namespace is a problem, among all others; other namespaces are left alone", () => {
  const others = {
    "pulumi:tags": {},
    "cloudflare:apiToken": "x",
    "prosody-dev:region": "x",
    "mine:ports": {},
  };
  stack({ host, domains, jids, ...others, "prosdy:ports": { https: 8443 } }, all);
  expect(load).toThrow(
    `The stack config has a problem; nothing was changed.
  prosdy:ports: there is no such option; did you mean prosody:ports?
Every option`,
  );
  stack({ host, domains, jids, tls: "x", "Prosody:prots": "hunter2" }, all);
  expect(load).toThrow(
    `The stack config has 2 problems; nothing was changed.
  prosody:tls = "x": give a map with minimum.
  Prosody:prots: there is no such option; did you mean prosody:ports?
Every option`,
  );
  stack({ host, domains, jids, ...others }, all);
  expect(load).not.toThrow();
});

test("whether something in it is encrypted decides over the options", () => {
  const options = { motd_text: "Hello" };
  const text = (secrets: string[]) => {
    stack({ host, domains, jids, options }, secrets);
    return load().servers[0]!.options.motd_text;
  };
  expect(text(all)).toBe("Hello");
  expect(text([...all, "prosody:options"])).toBeInstanceOf(Secret);
});

describe("the provider's hosts", () => {
  const provider = (host: unknown) => ({
    get: (key: string) =>
      key === "prosody:host" ? (typeof host === "string" ? host : JSON.stringify(host)) : undefined,
  });

  test("are the program's", () => {
    stack({ host, domains, jids }, all);
    const { host: expected } = load().servers[0]!;
    const hosts = parseHosts(provider(host));
    expect([...hosts]).toEqual([["prosody", expected]]);
    expect(hosts.get("prosody")!.login.privateKey!.reveal()).toBe(sshKeys.plain.private);
  });
  test("of several servers are the program's, by name", () => {
    const servers = {
      berlin: { host, domains, jids },
      paris: {
        host: { ...host, address: "paris.example.net" },
        domains: {
          "other.example": {
            certificate: pki.other.certificate,
            key: pki.other.key,
            intermediates: pki.inner.certificate,
          },
        },
      },
    };
    stack({ servers, domains: {}, jids: {} }, ["prosody:servers"]);
    const expected = load().servers.map(({ name, host }) => [name, host]);
    const config = { get: (key: string) => (key === "prosody:servers" ? JSON.stringify(servers) : "") };
    expect([...parseHosts(config)]).toEqual(expected);
    expect(expected.map(([name]) => name)).toEqual(["berlin", "paris"]);
  });
  test("of several servers are refused without a value", () => {
    const servers = {
      berlin: { host: { ...host, user: "hunter2" } },
      paris: { host: { ...host, port: "hunter2" } },
    };
    const config = {
      get: (key: string) => (key === "prosody:servers" ? JSON.stringify(servers) : undefined),
    };
    expect(() => parseHosts(config, environment)).toThrow(
      `The stack config has 2 problems; nothing was changed.
  prosody:servers.berlin.host.user: a user other than root can't install Prosody; add sudo: true, or sudo: { password: … }.
  prosody:servers.paris.host.port: give SSH's port, a whole number from 1 to 65535.
Every option`,
    );
  });
  test("may be an address alone", () => {
    expect(parseHosts(provider("xmpp.example.com"), environment).get("prosody")).toMatchObject({
      address: "xmpp.example.com",
      trust: { kind: "knownHosts", file: "/home/me/.ssh/known_hosts" },
    });
  });
  test("are refused like the program's, but no value is shown", () => {
    const bad = changed([["host", "user"], "hunter2"], [["host", "port"], "hunter2"]).host;
    expect(() => parseHosts(provider(bad), environment)).toThrow(
      `The stack config has 2 problems; nothing was changed.
  prosody:host.port: give SSH's port, a whole number from 1 to 65535.
  prosody:host.user: a user other than root can't install Prosody; add sudo: true, or sudo: { password: … }.
Every option is explained in docs/configuration.md.`,
    );
  });
  test("can't be none", () => {
    expect(() => parseHosts({ get: () => undefined }, environment)).toThrow(
      "prosody:host: is missing; give the host's address, or a map with address, user, hostKey and more.",
    );
  });
});

describe("the provider's passwords", () => {
  const given = (values: Record<string, unknown>) => ({
    get: (key: string) => (key in values ? JSON.stringify(values[key]) : undefined),
  });
  const jids = {
    "alice@example.com": "pencil",
    "bob@example.com": { password: "paper", policy: "enforced" },
    "mallory@example.com": null,
    "trent@example.com": "",
    "eve@example.com": { password: null },
    "oscar@example.com": 5,
  };

  test("are those of the server's accounts that exist", () => {
    expect(passwordsOf(given({ "prosody:jids": jids }), "prosody")).toEqual(["pencil", "paper"]);
    const servers = { berlin: { jids }, paris: { jids: { "zoe@other.example": "chalk" } } };
    expect(passwordsOf(given({ "prosody:servers": servers }), "paris")).toEqual(["chalk"]);
  });
  test("are none where there is nothing to read", () => {
    expect(passwordsOf(given({}), "prosody")).toEqual([]);
    expect(passwordsOf(given({ "prosody:jids": ["alice@example.com"] }), "prosody")).toEqual([]);
    expect(passwordsOf(given({ "prosody:servers": { berlin: {} } }), "paris")).toEqual([]);
  });
});

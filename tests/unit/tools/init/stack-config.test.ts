import { parse } from "../../../../config/parse";
import { Secret } from "../../../../config/secret";
import {
  changes,
  merged,
  optionsSet,
  stackConfig,
  withSecretsInClear,
} from "../../../../tools/init/stack-config";
import { leaves } from "../../../../tools/set-options";
import { environment, hostKey } from "../../../fixtures/bad-configs/base";

const [password, sudoPassword] = [new Secret("hunter2"), new Secret("for sudo")];
const alice = {
  address: "xmpp.example.com",
  user: "root",
  privateKeyFile: "",
  hostKey,
  domain: "example.com",
  jid: "alice@example.com",
  password,
  certificate: "acme",
  email: "hostmaster@example.com",
};

test("root with acme: no option that says what is so anyway", () => {
  const config = stackConfig(alice);
  expect(config).toEqual({
    host: { address: "xmpp.example.com", hostKey },
    domains: { "example.com": { acme: { email: "hostmaster@example.com" } } },
    jids: { "alice@example.com": password },
    admins: ["alice@example.com"],
  });
  const { raw, encrypted } = withSecretsInClear(config);
  expect(encrypted).toEqual(new Set(["jids"]));
  expect(raw.jids).toEqual({ "alice@example.com": "hunter2" });
  expect(parse(raw, environment, encrypted).problems).toEqual([]);
});

test("a user with sudo, with its password or without, and each kind of certificate", () => {
  const files = { certificate: "files", certificateFile: "certs/chain.crt", keyFile: "certs/leaf.key" };
  const more = { user: "admin", port: "2222", privateKeyFile: "~/.ssh/id_ed25519" };
  const config = stackConfig({ ...alice, ...more, ...files, sudoPassword });
  expect(config).toMatchObject({
    host: {
      address: "xmpp.example.com",
      port: "2222",
      user: "admin",
      hostKey,
      privateKeyFile: "~/.ssh/id_ed25519",
      sudo: { password: sudoPassword },
    },
    domains: { "example.com": { certificate: "certs/chain.crt", keyFile: "certs/leaf.key" } },
  });
  const { raw, encrypted } = withSecretsInClear(config);
  expect(encrypted).toEqual(new Set(["host", "jids"]));
  expect(parse(raw, environment, encrypted)).toMatchObject({ problems: [] });
  expect(stackConfig({ ...alice, user: "admin", certificate: "selfSigned" })).toMatchObject({
    host: { user: "admin", sudo: true },
    domains: { "example.com": { selfSigned: true } },
  });
});

describe("a stack config that says something already", () => {
  const existing = {
    host: { address: "old.example.com", jump: "bastion.example.com", knownHosts: "~/.ssh/known_hosts" },
    domains: { "example.com": { selfSigned: true }, "example.net": { selfSigned: true } },
    jids: { "bob@example.net": "b", "alice@example.com": { password: "a", policy: "enforced" } },
    admins: ["bob@example.net"],
    ports: { https: 8443 },
  };
  const wanted = stackConfig(alice);

  test("loses its host, and what it says of the same domain and account; the rest stays", () => {
    expect(merged(existing, wanted)).toEqual({
      host: wanted.host,
      domains: {
        "example.com": { acme: { email: "hostmaster@example.com" } },
        "example.net": { selfSigned: true },
      },
      jids: { "bob@example.net": "b", "alice@example.com": password },
      admins: ["bob@example.net"],
      ports: { https: 8443 },
    });
    expect(changes(existing, wanted)).toEqual({
      remove: ["host", 'domains["example.com"]', 'jids["alice@example.com"]'],
      set: [
        ['host["address"]', "xmpp.example.com"],
        ['host["hostKey"]', hostKey],
        ['domains["example.com"]["acme"]["email"]', "hostmaster@example.com"],
        ['jids["alice@example.com"]', password],
      ],
    });
  });

  test("an empty one gets all of it, and nothing is removed", () => {
    const { remove, set } = changes({}, wanted);
    expect(remove).toEqual([]);
    expect(set.at(-1)).toEqual(["admins[0]", "alice@example.com"]);
    expect(merged({}, wanted)).toEqual(wanted);
  });

  test("options that the engine has an empty value for are not set", () => {
    expect(optionsSet({ ...existing, servers: {}, dns: {} })).toEqual(Object.keys(existing));
    expect(optionsSet({ servers: {}, turn: "false" })).toEqual(["turn"]);
  });
});

test("leaves: every value by its path, a secret as one, nothing as an empty text", () => {
  const value = { a: [1, { "b.c": true }], d: null, e: password };
  expect([...leaves("x", value)]).toEqual([
    ['x["a"][0]', "1"],
    ['x["a"][1]["b.c"]', "true"],
    ['x["d"]', ""],
    ['x["e"]', password],
  ]);
});

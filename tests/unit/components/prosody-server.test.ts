import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { ownModules } from "../../../config/own-modules";
import { Secret } from "../../../config/secret";
import { webClientFiles } from "../../../config/web-client";
import { renderComponent, renderConfiguration } from "../../../templates/render";
import { renderTurnServer } from "../../../templates/turn";
import { domain, server } from "../../fixtures/server";
import {
  firewallPorts,
  kind,
  madeBefore,
  registeredServer,
  secret,
  selinuxPort,
  wholeServer,
} from "../../helpers/registered";

test("a server is exactly these objects", async () => {
  const { files, secrets } = renderConfiguration(wholeServer, "13.0", "debian", new Secret("shared"));
  const objects = (await registeredServer(wholeServer)).filter(({ type }) =>
    type.startsWith("pulumi-nodejs:"),
  );
  const byKey = (a: { type: string; name: string }, b: { type: string; name: string }) =>
    `${a.type} ${a.name}`.localeCompare(`${b.type} ${b.name}`);
  expect(objects.sort(byKey)).toEqual(
    [
      { type: kind("TurnSecret"), name: "turn", inputs: { server: "prosody" } },
      {
        type: kind("TurnServer"),
        name: "coturn",
        inputs: {
          server: "prosody",
          config: renderTurnServer(wholeServer),
          secret: "shared",
          domain: "example.test",
          certificate: createHash("sha256").update("LEAF\nONE\nTWO\n").digest("hex"),
          ports: [3478, 5349],
          live: true,
        },
      },
      {
        type: kind("Service"),
        name: "coturn",
        inputs: { server: "prosody", unit: "coturn.service", enabled: true, active: true },
      },
      ...["prosody", "prosody-modules", "lua-unbound", "coturn"].map((name) => ({
        type: kind("Package"),
        name,
        inputs: { server: "prosody", package: name, installed: true },
      })),
      {
        type: kind("Connection"),
        name: "prosody",
        inputs: {
          server: "prosody",
          reachable: true,
          address: "192.0.2.1",
          stack: "organization/project/stack",
          kept: true,
        },
      },
      {
        type: kind("Certificate"),
        name: "example.test",
        inputs: {
          server: "prosody",
          domain: "example.test",
          chain: "LEAF\nONE\nTWO\n",
          key: secret("KEY"),
          mode: "0640",
          owner: "root:prosody",
          live: true,
        },
      },
      {
        type: kind("Configuration"),
        name: "prosody",
        inputs: { server: "prosody", files, secrets: secret(secrets), live: true },
      },
      {
        type: kind("Service"),
        name: "prosody",
        inputs: { server: "prosody", unit: "prosody.service", enabled: true, active: true },
      },
      {
        type: kind("CommunityModules"),
        name: "modules",
        inputs: {
          server: "prosody",
          source: "package",
          revision: "",
          path: "",
          files: {},
          modules: [],
          differing: [],
        },
      },
      {
        type: kind("CommunityModules"),
        name: "own-modules",
        inputs: {
          server: "prosody",
          source: "directory",
          revision: "",
          ...ownModules(wholeServer),
          differing: [],
        },
      },
      {
        type: kind("ExternalComponent"),
        name: "irc.example.test",
        inputs: {
          server: "prosody",
          component: "irc.example.test",
          path: "/etc/prosody/component-irc.example.test.cfg.lua",
          content: secret(renderComponent(wholeServer.components[0]!).file.content),
          mode: "0640",
          owner: "root:prosody",
          live: true,
        },
      },
      {
        type: kind("Package"),
        name: "policycoreutils-python-utils",
        inputs: {
          server: "prosody",
          package: "policycoreutils-python-utils",
          when: "selinux",
          installed: true,
        },
      },
      firewallPorts([5222, 5223, 5269, 5270, 5281, 5000], [...turnPorts, "49152-65535/udp"]),
      ...[5000, 5222, 5223, 5269, 5270, 5281, 5347].map((port) => selinuxPort(port)),
      account("alice@example.test", { password: secret("a") }),
      account("bob@example.test", { password: secret("b"), policy: "enforced" }),
      account("mallory@example.test", { exists: false }),
    ].sort(byKey),
  );
});

test("an enforced account is told by which hash the server checks passwords, if not by the usual one", async () => {
  jest.spyOn(pulumi.log, "warn").mockResolvedValue(); // of the option
  const objects = await registeredServer({ ...wholeServer, options: { password_hash: "SHA-256" } });
  const told = objects.filter(({ type }) => type === kind("Account")).map(({ inputs }) => inputs);
  expect(Object.fromEntries(told.map(({ jid, hash }) => [jid, hash]))).toEqual({
    "alice@example.test": undefined,
    "bob@example.test": "SHA-256",
    "mallory@example.test": undefined,
  });
});

test("the web client's files are an object that knows them by their hash", async () => {
  const objects = await registeredServer({ ...wholeServer, webClient: true });
  expect(objects.filter(({ type }) => type === kind("WebClient"))).toEqual([
    {
      type: kind("WebClient"),
      name: "web-client",
      inputs: { server: "prosody", ...webClientFiles, differing: [] },
    },
  ]);
});

test("the configuration is for the family of the host", async () => {
  const objects = await registeredServer(wholeServer, { family: "fedora" });
  const { files } = renderConfiguration(wholeServer, "13.0", "fedora");
  expect(objects.find(({ type }) => type === kind("Configuration"))?.inputs).toMatchObject({ files });
  expect(files["/etc/prosody/prosody.cfg.lua"]!.content).toContain(
    '\nadmin_socket = "/run/prosody/prosody.sock"\n',
  );
});
test("no package waits for anything but the connection, so that all are one transaction", async () => {
  const acme = { email: "a@x.test", server: "https://ca/dir", challenge: "http-01" as const, names: [] };
  const earlier = await madeBefore(server({ domains: [{ name: "x.test", acme }] }));
  const objects = earlier("Package")?.filter((each) => each.startsWith(kind("")));
  expect(objects).toEqual([`${kind("Connection")} prosody`]);
});

test("the names of a server beside others carry its name, those of domains and JIDs don't", async () => {
  const objects = await registeredServer({ ...wholeServer, name: "chat", domains: [domain("example.test")] });
  expect(
    objects
      .filter(({ type }) => type.startsWith("pulumi-nodejs:"))
      .map(({ type, name }) => `${type.split(":")[2]} ${name}`)
      .sort(),
  ).toEqual([
    "Account alice@example.test",
    "Account bob@example.test",
    "Account mallory@example.test",
    "Certificate example.test",
    "CommunityModules chat/modules",
    "CommunityModules chat/own-modules",
    "Configuration chat/prosody",
    "Connection chat",
    "ExternalComponent irc.example.test",
    "FirewallPorts chat",
    "Package chat/coturn",
    "Package chat/lua-unbound",
    "Package chat/policycoreutils-python-utils",
    "Package chat/prosody",
    "Package chat/prosody-modules",
    ...[5000, 5222, 5223, 5269, 5270, 5281, 5347].map((port) => `SelinuxPort chat/${port}/tcp`),
    "Service chat/coturn",
    "Service chat/prosody",
    "TurnSecret chat/turn",
    "TurnServer chat/coturn",
  ]);
});
const turnPorts = ["3478/udp", "3478/tcp", "5349/udp", "5349/tcp"];

function account(jid: string, inputs: object) {
  return { type: kind("Account"), name: jid, inputs: { server: "prosody", jid, ...inputs } };
}

import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { ProsodyServer } from "../../../components/prosody-server";
import type { Family } from "../../../config/family";
import { ownModules } from "../../../config/own-modules";
import { Secret } from "../../../config/secret";
import type { Server } from "../../../config/settings";
import { webClientFiles } from "../../../config/web-client";
import { renderCertbotHook } from "../../../templates/certbot-hook";
import { renderComponent, renderConfiguration } from "../../../templates/render";
import { renderTurnServer } from "../../../templates/turn";
import { domain, server } from "../../fixtures/server";

/**
 * What is registered with the engine: type, name and inputs, without the constant `__provider`.
 * @param done gets for each type those that were made when the last of it was asked for; each takes a moment
 */
async function registered(settings: Server, done?: Map<string, string[]>, family: Family = "debian") {
  const made = new Set<string>();
  const resources: { type: string; name: string; inputs: Record<string, unknown> }[] = [];
  await pulumi.runtime.setMocks({
    async newResource({ type, name, inputs }) {
      const { __provider, ...rest } = inputs;
      resources.push({ type, name, inputs: rest });
      done?.set(type, [...made]);
      if (done) await new Promise((resolve) => setTimeout(resolve, 20));
      made.add(`${type} ${name}`);
      const outputs = {
        version: "13.0.1-1",
        family,
        secret: "shared",
        addresses: [],
        expires: "2027-01-01T00:00:00.000Z",
        ...rest,
      };
      return { id: name, state: outputs };
    },
    call: () => ({}),
  });
  const deployed = new ProsodyServer(settings);
  await new Promise((resolve) => deployed.urn.apply(resolve));
  await pulumi.runtime.disconnect();
  return resources;
}

const kind = (name: string) => `pulumi-nodejs:prosody:${name}`;
const settings = server({
  domains: [
    {
      name: "example.test",
      certificate: { certificate: "LEAF\n\n", key: new Secret("KEY"), intermediates: ["ONE", "TWO\n"] },
    },
  ],
  components: [
    { name: "irc.example.test", subdomain: "irc", domain: "example.test", secret: new Secret("s") },
  ],
  jids: [
    { jid: "alice@example.test", password: new Secret("a"), policy: "initial" },
    { jid: "bob@example.test", password: new Secret("b"), policy: "enforced" },
    { jid: "mallory@example.test", password: undefined, policy: "initial" },
  ],
});

test("a server is exactly these objects", async () => {
  const { files, secrets } = renderConfiguration(settings, "13.0", "debian", new Secret("shared"));
  const objects = (await registered(settings)).filter(({ type }) => type.startsWith("pulumi-nodejs:"));
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
          config: renderTurnServer(settings),
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
      { type: kind("Connection"), name: "prosody", inputs: { server: "prosody", reachable: true } },
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
          ...ownModules(settings),
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
          content: secret(renderComponent(settings.components[0]!).file.content),
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

test("the web client's files are an object that knows them by their hash", async () => {
  const objects = await registered({ ...settings, webClient: true });
  expect(objects.filter(({ type }) => type === kind("WebClient"))).toEqual([
    {
      type: kind("WebClient"),
      name: "web-client",
      inputs: { server: "prosody", ...webClientFiles, differing: [] },
    },
  ]);
});

test("the configuration is for the family of the host", async () => {
  const objects = await registered(settings, undefined, "fedora");
  const { files } = renderConfiguration(settings, "13.0", "fedora");
  expect(objects.find(({ type }) => type === kind("Configuration"))?.inputs).toMatchObject({ files });
  expect(files["/etc/prosody/prosody.cfg.lua"]!.content).toContain(
    '\nadmin_socket = "/run/prosody/prosody.sock"\n',
  );
});

test("a certificate comes from files, an authority, or the host itself", async () => {
  const acme = {
    email: "a@x.test",
    server: "https://ca/dir",
    challenge: "http-01" as const,
    names: ["www.x.test"],
  };
  const turn = { ...settings.turn, enabled: false };
  const objects = await registered(
    server({
      domains: [
        { name: "x.test", acme },
        { name: "y.test", selfSigned: true },
      ],
      turn,
    }),
  );
  const services = (domain: string) => ["conference", "proxy", "upload"].map((label) => `${label}.${domain}`);
  const byType = (a: { type: string }, b: { type: string }) => a.type.localeCompare(b.type);
  const found = objects.filter(
    ({ type, name }) => /Certificate$/.test(type) || (name === "certbot" && !type.includes("Firewall")),
  );
  const expected = [
    {
      type: kind("Package"),
      name: "certbot",
      inputs: { server: "prosody", package: "certbot", installed: true },
    },
    {
      type: kind("SelfSignedCertificate"),
      name: "y.test",
      inputs: {
        server: "prosody",
        domain: "y.test",
        names: [...services("y.test"), "y.test"].sort(),
        flaw: "",
      },
    },
    {
      type: kind("Service"),
      name: "certbot",
      inputs: { server: "prosody", unit: "certbot.timer", enabled: true, active: true },
    },
    {
      type: kind("AcmeCertificate"),
      name: "x.test",
      inputs: {
        server: "prosody",
        domain: "x.test",
        names: [...services("x.test"), "www.x.test", "x.test"].sort(),
        email: "a@x.test",
        directory: "https://ca/dir",
        ca: "",
        hook: renderCertbotHook("x.test"),
        deployed: true,
        overdue: "",
      },
    },
  ];
  expect(found.sort(byType)).toEqual(expected.sort(byType));
});

test("the firewall lets an authority in before it is asked for a certificate", async () => {
  const done = new Map<string, string[]>();
  const acme = { email: "a@x.test", server: "https://ca/dir", challenge: "http-01" as const, names: [] };
  await registered(server({ domains: [{ name: "x.test", acme }] }), done);
  expect(done.get(kind("AcmeCertificate"))).toEqual(
    expect.arrayContaining([`${kind("FirewallPorts")} certbot`, `${kind("Package")} certbot`]),
  );
});

test("no package waits for anything but the connection, so that all are one transaction", async () => {
  const done = new Map<string, string[]>();
  const acme = { email: "a@x.test", server: "https://ca/dir", challenge: "http-01" as const, names: [] };
  await registered(server({ domains: [{ name: "x.test", acme }] }), done);
  const objects = done.get(kind("Package"))?.filter((each) => each.startsWith(kind("")));
  expect(objects).toEqual([`${kind("Connection")} prosody`]);
});

test("the names of a server beside others carry its name, those of domains and JIDs don't", async () => {
  const objects = await registered({ ...settings, name: "chat", domains: [domain("example.test")] });
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

describe("the host's firewall and SELinux", () => {
  const few = {
    ports: {
      clientStarttls: 5222,
      clientDirectTls: false,
      server: 5269,
      serverDirectTls: false,
      https: 8443,
      proxy65: false,
      turn: false,
      turnTls: false,
      components: false,
    },
    turn: { ...settings.turn, enabled: false },
  } as const;

  /** The resources that are about ports. */
  async function ports(changes: Partial<Server>) {
    const all = await registered({ ...settings, ...few, ...changes });
    return all
      .filter(({ type }) => /(FirewallPorts|SelinuxPort)$/.test(type))
      .sort((a, b) => `${a.type} ${a.name}`.localeCompare(`${b.type} ${b.name}`));
  }

  test("off is nothing at all", async () => {
    const all = await registered({
      ...settings,
      firewall: { mode: "off", https443: false },
      selinux: "off",
    });
    expect(all.filter(({ type, name }) => /Ports?$/.test(type) || name.includes("policycore"))).toEqual([]);
  });

  test("a port that is off is nowhere; one on the loopback interface is not for the firewall", async () => {
    const options = { interfaces: ["127.0.0.1"], c2s_interfaces: ["*"], http_ports: [5280] };
    expect(await ports({ options })).toEqual([
      firewallPorts([5222]),
      ...[5222, 5269, 5280, 8443].map((port) => selinuxPort(port)),
    ]);
  });

  test("what is required, the zone, and the way in for HTTPS", async () => {
    const firewall = { mode: "require", zone: "dmz", https443: true } as const;
    expect(await ports({ firewall, selinux: "require" })).toEqual([
      firewallPorts([5222, 5269, 8443], ["443/tcp to 8443"], { zone: "dmz", required: true }),
      ...[5222, 5269, 8443].map((port) => selinuxPort(port, { required: true })),
    ]);
    const all = await registered({ ...settings, selinux: "require" });
    expect(all.find(({ name }) => name.includes("policycore"))?.inputs).not.toHaveProperty("when");
  });

  test("labels are there before Prosody opens its ports, the firewall lets in what it serves", async () => {
    const done = new Map<string, string[]>();
    await registered({ ...settings, ...few }, done);
    const madeBefore = (type: string) => done.get(kind(type));
    expect(madeBefore("Configuration")).toEqual(
      expect.arrayContaining([`${kind("SelinuxPort")} 8443/tcp`, `${kind("Certificate")} example.test`]),
    );
    expect(madeBefore("SelinuxPort")).toContain(`${kind("Package")} policycoreutils-python-utils`);
    expect(madeBefore("FirewallPorts")).toContain(`${kind("Configuration")} prosody`);
  });
});

const turnPorts = ["3478/udp", "3478/tcp", "5349/udp", "5349/tcp"];

/** @param tcp numbers of ports; the others are as they are written */
function firewallPorts(tcp: number[], others: string[] = [], more: object = {}) {
  const ports = [...tcp.map((number) => `${number}/tcp`), ...others];
  const inputs = {
    server: "prosody",
    ports: Object.fromEntries(ports.map((port) => [port, "open"])),
    required: false,
    ...more,
  };
  return { type: kind("FirewallPorts"), name: "prosody", inputs };
}

function selinuxPort(port: number, more: object = {}) {
  const inputs = { server: "prosody", port: `${port}/tcp`, required: false, allowed: true };
  return { type: kind("SelinuxPort"), name: `${port}/tcp`, inputs: { ...inputs, ...more } };
}

function account(jid: string, inputs: object) {
  return { type: kind("Account"), name: jid, inputs: { server: "prosody", jid, ...inputs } };
}

/** A secret as the SDK hands it to the engine. */
function secret(value: unknown) {
  return { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value };
}

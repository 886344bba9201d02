import * as pulumi from "@pulumi/pulumi";
import { ProsodyServer } from "../../../components/prosody-server";
import { Secret } from "../../../config/secret";
import type { Server } from "../../../config/settings";
import { renderConfiguration } from "../../../templates/render";
import { domain, server } from "../../fixtures/server";

/** What is registered with the engine: type, name and inputs, without the constant `__provider`. */
async function registered(settings: Server) {
  const resources: { type: string; name: string; inputs: Record<string, unknown> }[] = [];
  await pulumi.runtime.setMocks({
    newResource({ type, name, inputs }) {
      const { __provider, ...rest } = inputs;
      resources.push({ type, name, inputs: rest });
      const outputs = { version: "13.0.1-1", expires: "2027-01-01T00:00:00.000Z", ...rest };
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
  jids: [
    { jid: "alice@example.test", password: new Secret("a"), policy: "initial" },
    { jid: "bob@example.test", password: new Secret("b"), policy: "enforced" },
    { jid: "mallory@example.test", password: undefined, policy: "initial" },
  ],
});

test("a server is exactly these objects", async () => {
  const { files, secrets } = renderConfiguration(settings, "13.0");
  const objects = (await registered(settings)).filter(({ type }) => type.startsWith("pulumi-nodejs:"));
  const byKey = (a: { type: string; name: string }, b: { type: string; name: string }) =>
    `${a.type} ${a.name}`.localeCompare(`${b.type} ${b.name}`);
  expect(objects.sort(byKey)).toEqual(
    [
      ...["prosody", "prosody-modules", "lua-unbound"].map((name) => ({
        type: kind("Package"),
        name,
        inputs: { server: "prosody", package: name, installed: true },
      })),
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
      account("alice@example.test", { exists: true, password: secret("a"), policy: "initial" }),
      account("bob@example.test", { exists: true, password: secret("b"), policy: "enforced" }),
      account("mallory@example.test", { exists: false, policy: "initial" }),
    ].sort(byKey),
  );
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
    "Configuration chat/prosody",
    "Package chat/lua-unbound",
    "Package chat/prosody",
    "Package chat/prosody-modules",
    "Service chat/prosody",
  ]);
});

function account(jid: string, inputs: object) {
  return { type: kind("Account"), name: jid, inputs: { server: "prosody", jid, ...inputs } };
}

/** A secret as the SDK hands it to the engine. */
function secret(value: unknown) {
  return { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value };
}

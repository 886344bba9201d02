import * as pulumi from "@pulumi/pulumi";
import { ProsodyServer } from "../../components/prosody-server";
import { Secret } from "../../config/secret";
import type { Server } from "../../config/settings";
import { server } from "../fixtures/server";

/** A resource as the engine is asked for it, without the constant `__provider`. */
export interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  /** Name of the provider that the program made for it. */
  provider?: string;
}

/**
 * What a component registers, in its order, with a stand-in for the engine.
 * @param outputs of a resource beside its inputs
 */
export async function registered(
  make: () => pulumi.ComponentResource,
  outputs: (resource: Registered) => object | Promise<object> = () => ({}),
): Promise<Registered[]> {
  const resources: Registered[] = [];
  const mocks: pulumi.runtime.Mocks = {
    async newResource({ type, name, inputs: { __provider, ...inputs }, provider }) {
      const named = provider && { provider: provider.split("::").at(-2)! };
      const resource = { type, name: String(name), inputs, ...named };
      resources.push(resource);
      return { id: name, state: { ...(await outputs(resource)), ...inputs } };
    },
    call: () => ({}),
  };
  await pulumi.runtime.setMocks(mocks, "project", "stack", false, "organization");
  const made = make();
  await new Promise((resolve) => made.urn.apply(resolve));
  await pulumi.runtime.disconnect();
  return resources;
}

/** What the objects of a host tell that others need to know. */
const found: Record<string, unknown> = {
  version: "13.0.1-1",
  family: "debian",
  secret: "shared",
  addresses: [],
  expires: "2027-01-01T00:00:00.000Z",
};

/** The resources of a whole server. @param changes to what its host tells */
export const registeredServer = (settings: Server, changes: object = {}) =>
  registered(
    () => new ProsodyServer(settings),
    () => ({ ...found, ...changes }),
  );

/** For each kind of a server's resources: those that were there when the last of it was asked for. */
export async function madeBefore(settings: Server): Promise<(kind: string) => string[] | undefined> {
  const made: string[] = [];
  const before = new Map<string, string[]>();
  await registered(
    () => new ProsodyServer(settings),
    async ({ type, name }) => {
      before.set(type, [...made]);
      await new Promise((resolve) => setTimeout(resolve, 20));
      made.push(`${type} ${name}`);
      return found;
    },
  );
  return (name) => before.get(kind(name));
}

/** The type of a resource of this project. */
export const kind = (name: string) => `pulumi-nodejs:prosody:${name}`;

/** A secret as the SDK hands it to the engine. */
export const secret = (value: unknown) => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  value,
});

/** A server that has something of each kind of object that most servers have. */
export const wholeServer = server({
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

/**
 * The ports of a server in firewalld, as they are registered.
 * @param tcp numbers of ports; the others are as they are written
 */
export function firewallPorts(tcp: number[], others: string[] = [], more: object = {}) {
  const ports = [...tcp.map((number) => `${number}/tcp`), ...others];
  const inputs = {
    server: "prosody",
    ports: Object.fromEntries(ports.map((port) => [port, "open"])),
    required: false,
    ...more,
  };
  return { type: kind("FirewallPorts"), name: "prosody", inputs };
}

/** A label of a port, as it is registered. */
export function selinuxPort(port: number, more: object = {}) {
  const inputs = { server: "prosody", port: `${port}/tcp`, required: false, allowed: true };
  return { type: kind("SelinuxPort"), name: `${port}/tcp`, inputs: { ...inputs, ...more } };
}

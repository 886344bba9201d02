import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks";
import { Secret } from "../../../config/secret";
import type { Hook, HostSettings, Server } from "../../../config/settings";
import { server } from "../../fixtures/server";
import { type Registered, registeredServer, secret } from "../../helpers/registered";
import { sshKeyPair } from "../../helpers/ssh-keys";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-hooks-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));
const file = (name: string, text: string) => {
  fs.writeFileSync(path.join(directory, name), text);
  return path.join(directory, name);
};

interface Waiting extends Registered {
  /** Names of the resources that it waits for. */
  after: string[];
}

async function waiting(settings: Server): Promise<Waiting[]> {
  const requests = jest.spyOn(MockMonitor.prototype, "registerResource");
  const resources = await registeredServer(settings);
  const waits = new Map(
    requests.mock.calls.map(([request]) => [
      `${request.getType()} ${request.getName()}`,
      (request.getDependenciesList() as string[]).map((urn) => urn.split("::").at(-1)!),
    ]),
  );
  requests.mockRestore();
  return resources.map((each) => ({ ...each, after: waits.get(`${each.type} ${each.name}`)! }));
}

const hook = (name: string, changes: Partial<Hook> = {}): Hook => ({
  name,
  where: "local",
  create: "true",
  update: undefined,
  delete: undefined,
  triggers: [],
  environment: {},
  ...changes,
});
const commands = (all: Registered[]) =>
  all
    .filter(({ type }) => type.startsWith("command:"))
    .map(({ type, name, inputs }) => ({ type, name, inputs }));
const host = (changes: Partial<HostSettings> = {}): HostSettings => ({ ...server().host, ...changes });
const remote = async (settings: HostSettings, changes: Partial<Hook> = {}) =>
  commands(
    await registeredServer(
      server({ host: settings, hooks: { before: [], after: [hook("it", { where: "remote", ...changes })] } }),
    ),
  )[0]!.inputs;

test("without a hook, @pulumi/command is not loaded", async () => {
  expect(commands(await registeredServer(server()))).toEqual([]);
  expect(Object.keys(require.cache).filter((module) => module.includes("@pulumi/command"))).toEqual([]);
  const loaded = jest.fn();
  jest.doMock("@pulumi/command", () => loaded() ?? jest.requireActual("@pulumi/command"));
  await registeredServer(server());
  expect(loaded).not.toHaveBeenCalled();
  await registeredServer(server({ hooks: { before: [hook("snapshot")], after: [] } }));
  expect(loaded).toHaveBeenCalledTimes(1);
});

test("local hooks, with all that they may have", async () => {
  const full = {
    update: "again",
    delete: "undo",
    triggers: ["1"],
    environment: { A: "b", C: new Secret("d") },
  };
  const hooks = {
    before: [hook("snapshot")],
    after: [hook("announce", { create: new Secret("x"), ...full })],
  };
  expect(commands(await registeredServer(server({ hooks })))).toEqual([
    { type: "command:local:Command", name: "snapshot", inputs: { create: "true" } },
    {
      type: "command:local:Command",
      name: "announce",
      inputs: {
        create: secret("x"),
        update: "again",
        delete: "undo",
        triggers: ["1"],
        environment: secret({ A: "b", C: "d" }),
      },
    },
  ]);
  const named = await registeredServer(server({ name: "berlin", hooks }));
  expect(commands(named).map(({ name }) => name)).toEqual(["berlin/snapshot", "berlin/announce"]);
});

test("the order: hooks before, one by one; all of the server; hooks after, one by one", async () => {
  const hooks = { before: [hook("b1"), hook("b2")], after: [hook("a1"), hook("a2")] };
  const secret = new Secret("s");
  const components = [{ name: "irc.example.test", subdomain: "irc", domain: "example.test", secret }];
  const jids = [{ jid: "alice@example.test", password: new Secret("a"), policy: "initial" as const }];
  const all = await waiting(server({ hooks, jids, components }));
  const waits = Object.fromEntries(
    all.map(({ type, name, after }) => [`${type.split(":").at(-1)} ${name}`, after]),
  );
  expect(waits["Command b1"]).toEqual([]);
  expect(waits["Command b2"]).toEqual(["b1"]);
  expect(waits["Connection prosody"]).toEqual(expect.arrayContaining(["b1", "b2"]));
  const own = all.filter(({ type }) => type.startsWith("pulumi-nodejs:"));
  expect(own.length).toBeGreaterThan(6);
  expect(waits["Command a1"]!.sort()).toEqual(own.map(({ name }) => name).sort());
  expect(waits["Command a2"]).toEqual(["a1"]);
  const free = own.filter(({ after }) => after.length === 0);
  expect(free).toEqual([]); // the connection waits for the hooks before, and the rest for the connection
  // A component that waits would be skipped when that fails, and the engine would end the run of all servers.
  const parts = all.filter(({ type }) => type.startsWith("prosody:index:"));
  expect(parts.flatMap(({ after }) => after)).toEqual([]);
});

describe("the connection of a remote hook is the host's", () => {
  const keys = sshKeyPair();
  const hostKey = keys.public.split(" ").slice(0, 2).join(" ");

  test("with a pinned key, a key file and its passphrase", async () => {
    const login = { privateKeyFile: file("id", keys.private), passphrase: new Secret("open sesame") };
    const trust = { kind: "pinned" as const, hostKeys: [hostKey, "ssh-rsa AAAA"] };
    expect(
      await remote(host({ port: 2222, user: "admin", sudo: {}, login, trust, connectTimeout: 7 })),
    ).toEqual({
      create: "true",
      connection: secret({
        host: "192.0.2.1",
        port: 2222,
        user: "admin",
        hostKey,
        perDialTimeout: 7,
        dialErrorLimit: 10,
        privateKey: keys.private,
        privateKeyPassword: "open sesame",
      }),
    });
  });

  test("with a key from the stack config, known_hosts, and a jump host with an agent", async () => {
    const rsa = sshKeyPair("rsa", { bits: 2048 }).public.split(" ").slice(0, 2).join(" ");
    const known = file("known", `192.0.2.1 ${rsa}\n192.0.2.1 ${hostKey}\n[192.0.2.9]:23 ${rsa}\n`);
    const trust = { kind: "knownHosts" as const, file: known };
    const { sudo: _, ...endpoint } = host({ trust });
    const jump = {
      ...endpoint,
      address: "192.0.2.9",
      port: 23,
      user: "jumper",
      login: { agent: "/run/agent" },
    };
    const { connection } = await remote(host({ trust, login: { privateKey: new Secret("KEY") }, jump }));
    expect(connection).toEqual(
      secret({
        host: "192.0.2.1",
        port: 22,
        user: "root",
        hostKey,
        perDialTimeout: 20,
        dialErrorLimit: 10,
        privateKey: "KEY",
        proxy: {
          host: "192.0.2.9",
          port: 23,
          user: "jumper",
          hostKey: rsa,
          perDialTimeout: 20,
          dialErrorLimit: 10,
          agentSocketPath: "/run/agent",
        },
      }),
    );
  });

  test("without the agent's path where the plugin finds it, because that is another one in each session", async () => {
    process.env.SSH_AUTH_SOCK = "/run/session/agent";
    const { connection } = await remote(host({ login: { agent: "/run/session/agent" } }));
    delete process.env.SSH_AUTH_SOCK;
    expect(JSON.stringify(connection)).not.toContain("agent");
  });
});

test("a remote hook's variables go through standard input, past sshd and out of sight", async () => {
  const inputs = await remote(host(), { delete: "undo", environment: { A: "it's", B: new Secret("x y") } });
  expect(inputs).toMatchObject({
    create: 'eval "$(cat)"\ntrue',
    delete: 'eval "$(cat)"\nundo',
    stdin: secret("export 'A=it'\\''s'\nexport 'B=x y'"),
  });
  expect(inputs).not.toHaveProperty("environment");
  expect((await remote(host(), { environment: { A: "b" } })).stdin).toBe("export 'A=b'");
});

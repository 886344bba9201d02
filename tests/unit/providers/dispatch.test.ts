import { provider } from "../../../providers/dispatch";
import type { Host } from "../../../providers/host";
import { unreachable } from "../../../providers/ssh/link";
import { hosts } from "../../../providers/ssh/pool";
import { FakeHost } from "../../helpers/fake-host";

const service = { server: "prosody", unit: "prosody.service", enabled: true, active: true };
const configuration = { server: "prosody", files: {}, secrets: {}, live: true };
const account = { server: "prosody", jid: "a@b", exists: true, policy: "initial", password: "x" };
const connection = { server: "prosody", reachable: true, address: "192.0.2.1", stack: "o/p/s", kept: true };

test.each<[kind: string, inputs: Record<string, unknown> & { server: string }]>([
  ["Service", service], // the default diff, and replacements of its own
  ["Configuration", configuration], // the default diff alone
  ["Account", account], // a diff of its own
])("%s: an object on another server is another object", async (kind, inputs) => {
  const diff = provider(kind).diff!;
  const state = { ...inputs, verifiers: {}, __provider: "x" };
  const moved = await diff("id", state, { ...inputs, server: "berlin" });
  expect(moved).toMatchObject({ changes: true, replaces: ["server"], deleteBeforeReplace: true });
  expect((await diff("id", state, inputs)).replaces).toEqual([]);
});

describe("a host that can't be reached", () => {
  const down = unreachable("can't connect to root@192.0.2.1:22: no answer within 10 s");
  const said: string[] = [];
  let several = true;

  beforeEach(() => {
    said.length = 0;
    const host = new FakeHost({ answers: { "/./": down } });
    jest.spyOn(hosts, "use").mockImplementation((_name, operation) => operation(host as Host));
    jest.spyOn(hosts, "several", "get").mockImplementation(() => several);
    jest.spyOn(process.stderr, "write").mockImplementation((text) => said.push(String(text)) > 0);
  });
  afterEach(() => jest.restoreAllMocks());

  test("leaves everything as it was last, but for its connection, where there are other servers", async () => {
    several = true;
    const state = { ...service, __provider: "x", before: { enabled: false, active: false } };
    const { __provider: _, ...props } = state;
    expect(await provider("Service").read!("prosody.service", state)).toEqual({
      id: "prosody.service",
      props,
    });
    expect(await provider("Connection").read!("prosody", { ...connection, __provider: "x" })).toEqual({
      id: "prosody",
      props: { ...connection, reachable: false },
      inputs: { ...connection, reachable: false },
    });
    expect(said).toEqual([
      `prosody: ${down.message}. Until it can be reached, what it had last is taken for true.\n`,
    ]);
  });
  test("is an error of every read where the server is the only one", async () => {
    several = false;
    for (const [kind, state] of [
      ["Service", service],
      ["Connection", connection],
    ] as const)
      await expect(provider(kind).read!("id", state)).rejects.toThrow(/^read .*: can't connect to root@192/);
  });
  test("is an error of whatever is to change there", async () => {
    several = true;
    const { create, update } = provider("Connection");
    await expect(create(connection)).rejects.toThrow("create Connection prosody: can't connect to root@192");
    await expect(update!("prosody", { ...connection, reachable: false }, connection)).rejects.toThrow(
      "update Connection prosody: can't connect to root@192",
    );
    expect(said).toEqual([]);
  });
});

test("another error is one of the read, however many servers there are", async () => {
  const host = new FakeHost({ answers: { "/./": new Error("prosody: reading units failed") } });
  jest.spyOn(hosts, "use").mockImplementation((_name, operation) => operation(host as Host));
  jest.spyOn(hosts, "several", "get").mockReturnValue(true);
  await expect(provider("Service").read!("prosody.service", service)).rejects.toThrow("reading units failed");
  jest.restoreAllMocks();
});

test("a deletion is one of a destroy until the program has an object checked", async () => {
  const load = <T extends object>(name: string) => jest.requireActual<T>(`../../../providers/${name}`);
  await jest.isolateModulesAsync(async () => {
    const fresh = load<typeof import("../../../providers/dispatch")>("dispatch").provider;
    const { handlers } = load<typeof import("../../../providers/handlers")>("handlers");
    const pool = load<typeof import("../../../providers/ssh/pool")>("ssh/pool");
    jest
      .spyOn(pool.hosts, "use")
      .mockImplementation((_name, operation) => operation(new FakeHost({ answers: {} }) as Host));
    const remove = jest.spyOn(handlers.Service!, "delete").mockResolvedValue();
    await fresh("Service").delete!("id", service);
    await fresh("Configuration").check!(configuration, configuration);
    await fresh("Service").delete!("id", service);
    expect(remove.mock.calls.map(([, , isDestroy]) => isDestroy)).toEqual([true, false]);
  });
});

test("an object of a kind that is no more leaves the state, and the host alone", async () => {
  const host = new FakeHost({ answers: {} });
  const use = jest.spyOn(hosts, "use").mockImplementation((_name, operation) => operation(host as Host));
  const old = { server: "prosody", port: "5222/tcp", __provider: "x" };
  expect(await provider("FirewallPort").read!("id", old)).toEqual({});
  await provider("FirewallPort").delete!("id", old);
  expect(host.scripts).toEqual([]);
  use.mockRestore();
});

import { provider } from "../../../providers/dispatch";
import { stackOfResource } from "../../../providers/engine-row";
import { handlers } from "../../../providers/handlers";
import type { Host } from "../../../providers/host";
import { note } from "../../../providers/ownership";
import { unreachable } from "../../../providers/ssh/link";
import { hosts } from "../../../providers/ssh/pool";
import { FakeHost } from "../../helpers/fake-host";

jest.mock("../../../providers/engine-row", () => ({
  row: () => () => undefined,
  stackOfResource: jest.fn(),
}));

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
  expect(moved).toMatchObject({ changes: true, replaces: ["server"] });
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

describe("a host whose connection was not looked at", () => {
  const foreign = "o/p/trial prosody\n";
  const said: string[] = [];
  let several: boolean;
  let host: FakeHost;

  function given(content: string | undefined, servers = 1): void {
    several = servers > 1;
    host = new FakeHost({
      answers: { ":": "" },
      files: content === undefined ? {} : { [note]: { content } },
    });
  }
  beforeEach(() => {
    said.length = 0;
    jest.mocked(stackOfResource).mockReturnValue("p/s");
    jest.spyOn(hosts, "use").mockImplementation((_name, operation) => operation(host as Host));
    jest.spyOn(hosts, "several", "get").mockImplementation(() => several);
    jest.spyOn(process.stderr, "write").mockImplementation((text) => said.push(String(text)) > 0);
    for (const operation of ["create", "update"] as const)
      jest.spyOn(handlers.Service!, operation).mockResolvedValue(service);
    jest.spyOn(handlers.Service!, "delete").mockResolvedValue();
  });
  afterEach(() => {
    jest.restoreAllMocks();
    jest.mocked(stackOfResource).mockReset();
  });

  const { create, read, update, delete: remove } = provider("Service");
  const changes = [
    () => create(service),
    () => update!("id", { ...service, active: false }, service),
    () => remove!("id", service),
  ];

  test("is left alone when it is another stack's, and asked once however many ask", async () => {
    given(foreign);
    const results = await Promise.allSettled([...changes, ...changes].map((change) => change()));
    for (const result of results)
      expect((result as PromiseRejectedResult).reason.message).toContain("kept by the stack o/p/trial");
    expect(host.scripts).toHaveLength(2); // one command: whether it can be worked on, and the note
    for (const operation of ["create", "update", "delete"] as const)
      expect(handlers.Service![operation]).not.toHaveBeenCalled();
  });

  test("is changed when it is the stack's own", async () => {
    given("o/p/s prosody\n");
    await Promise.all(changes.map((change) => change()));
    expect(host.scripts).toHaveLength(2);
  });

  test("is not changed when it is not noted whose it is, not even by a deletion", async () => {
    given(undefined);
    for (const refused of await Promise.allSettled(changes.map((change) => change())))
      expect((refused as PromiseRejectedResult).reason.message).toContain(
        "has no note that it is this stack's",
      );
    for (const operation of ["create", "update", "delete"] as const)
      expect(handlers.Service![operation]).not.toHaveBeenCalled();
  });

  test("is read beside the look whose it is, and what was read does not count when it is another stack's", async () => {
    given("o/p/other prosody\n", 2);
    const failed = jest.spyOn(handlers.Service!, "read").mockRejectedValue(new Error("there is no unit"));
    const reading = read!("id", service);
    expect(failed).toHaveBeenCalled(); // before the host has answered anything
    expect(await reading).toEqual({ id: "id", props: service });
  });

  test("keeps no other server waiting when it is another stack's by now", async () => {
    given(foreign, 2);
    expect(await read!("id", service)).toEqual({ id: "id", props: service });
    const { props } = await provider("Connection").read!("prosody", connection);
    expect(props).toEqual({ ...connection, kept: false });
    expect(said).toEqual([expect.stringMatching(/^prosody: the host is kept by .*Until it is, what it had/)]);
    given(foreign);
    await expect(provider("Connection").read!("prosody", connection)).rejects.toThrow("kept by the stack");
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
  const several = jest.spyOn(hosts, "several", "get").mockReturnValue(false);
  const old = { server: "prosody", port: "5222/tcp", __provider: "x" };
  expect(await provider("FirewallPort").read!("id", old)).toEqual({});
  await provider("FirewallPort").delete!("id", old);
  expect(host.scripts).toEqual([]);
  use.mockRestore();
  several.mockRestore();
});

describe("a module that is nowhere", () => {
  const state = {
    server: "prosody",
    source: "package",
    revision: "",
    path: "",
    files: {},
    modules: [] as string[],
    differing: [],
    offered: ["tls"],
  };
  const inputs = { ...state, modules: ["nowhere"] };
  const compared = () => provider("CommunityModules").diff!("package", state, inputs);
  afterEach(() => jest.restoreAllMocks());

  test("is an error in its own words where the server is the only one", async () => {
    jest.spyOn(hosts, "several", "get").mockReturnValue(false);
    const error = await compared().catch((caught) => caught);
    expect(error.message).toMatch(/^compare CommunityModules package: module nowhere: neither Prosody nor /);
    expect(error.stack).toBe("");
  });

  test("is a difference whose update fails, and no end of the run, where there are others", async () => {
    jest.spyOn(hosts, "several", "get").mockReturnValue(true);
    const host = new FakeHost({});
    jest.spyOn(hosts, "use").mockImplementation((_name, operation) => operation(host as Host));
    const said = jest.spyOn(process.stderr, "write").mockReturnValue(true);
    expect(await compared()).toMatchObject({ changes: true, replaces: [] });
    expect(said.mock.calls.join()).toMatch(/^prosody: compare CommunityModules package: module nowhere: /);
    await expect(provider("CommunityModules").update!("package", state, inputs)).rejects.toThrow(
      /^update CommunityModules package: module nowhere: neither/,
    );
    expect(host.ran).toEqual([]);
  });
});

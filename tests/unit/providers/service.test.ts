import { service, starting } from "../../../providers/facts/service";
import { commands, serviceHandler } from "../../../providers/handlers/service";
import type { ServiceState } from "../../../providers/service";
import { FakeHost } from "../../helpers/fake-host";

/** What `systemctl show` prints about a unit. */
function shown(changes: Record<string, string> = {}): string {
  const properties = {
    MainPID: "812",
    Result: "success",
    LoadState: "loaded",
    ActiveState: "active",
    UnitFileState: "enabled",
    ...changes,
  };
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}

const stopped = { ActiveState: "inactive", MainPID: "0" };
const masked = { LoadState: "masked", UnitFileState: "masked" };
const missing = { LoadState: "not-found", ActiveState: "inactive", UnitFileState: "", MainPID: "0" };
const exploded = { ActiveState: "failed", Result: "exit-code", MainPID: "0" };

const wanted = { server: "xmpp", unit: "prosody", enabled: true, active: true };
const state = (rest: Partial<ServiceState> = {}): ServiceState => ({
  ...wanted,
  before: { enabled: true, active: true },
  ...rest,
});
const reload = "ExecReload={ path=/bin/kill ; argv[]=/bin/kill -HUP $MAINPID ; ignore_errors=no }\n";
const handlesHangup = "SigBlk:\t0000000000004a03\nSigCgt:\t0000000000000002\n";
const diesOfHangup = "SigBlk:\t0000000000000000\nSigCgt:\t0000000000000002\n";

/** A host whose unit looks like `now`; while it starts, like one of `afterwards` after the other. */
function hostWith(now: Record<string, string>, ...afterwards: string[]): FakeHost {
  const left = [...afterwards];
  return new FakeHost({
    answers: {
      [service("prosody").script]: shown(now),
      [starting("prosody").script]: () => (left.length > 1 ? left.shift()! : left[0]!),
      "/^systemctl \\w/": "",
      "/^journalctl/": "Error: prosody.cfg.lua:276: syntax error near 'bar'\n",
    },
  });
}

describe("read", () => {
  test.each([
    ["running", {}, { enabled: true, active: true }],
    ["stopped", stopped, { enabled: true, active: false }],
    ["disabled", { UnitFileState: "disabled" }, { enabled: false, active: true }],
    ["masked while it runs", masked, { enabled: false, active: true }],
    ["failed", exploded, { enabled: true, active: false }],
    ["waiting to be restarted", { ActiveState: "activating" }, { enabled: true, active: false }],
    ["reloading", { ActiveState: "reloading" }, { enabled: true, active: true }],
    [
      "enabled until the next boot only",
      { UnitFileState: "enabled-runtime" },
      { enabled: false, active: true },
    ],
    ["started by something else", { UnitFileState: "static" }, { enabled: true, active: true }],
    ["without its package", missing, { enabled: false, active: false }],
  ])("%s", async (_what, properties, found) => {
    expect(await serviceHandler.read(hostWith(properties), state())).toEqual(state(found));
  });
});

describe("the fewest commands", () => {
  test.each([
    ["nothing to do", {}, wanted, ""],
    ["stopped", stopped, wanted, "systemctl start prosody"],
    ["disabled", { UnitFileState: "disabled" }, wanted, "systemctl enable prosody"],
    [
      "masked and stopped",
      { ...masked, ...stopped },
      wanted,
      "systemctl unmask prosody && systemctl unmask --runtime prosody && systemctl enable prosody && systemctl start prosody",
    ],
    [
      "failed, maybe too often",
      exploded,
      wanted,
      "systemctl reset-failed prosody && systemctl start prosody",
    ],
    [
      "not wanted",
      {},
      { enabled: false, active: false },
      "systemctl disable prosody && systemctl stop prosody",
    ],
    [
      "not wanted, restarting",
      { ActiveState: "activating" },
      { enabled: true, active: false },
      "systemctl stop prosody",
    ],
    ["masked and not wanted", { ...masked, ...stopped }, { enabled: false, active: false }, ""],
  ])("%s", (_what, properties, target, script) => {
    expect(commands("prosody", service("prosody").parse(shown(properties)), target)).toBe(script);
  });
});

test.each([
  ["caught", "SigBlk:\t0000000000000000\nSigCgt:\t0000000000004a03\n", "handled"],
  ["blocked and read by signalfd", handlesHangup, "handled"],
  ["neither", diesOfHangup, "fatal"],
  ["blocked before systemd's child is Prosody", "Name:\t(prosody)\nSigBlk:\tfffffffe7ffbfeff\n", "fatal"],
  ["blocked in systemd's child", "Name:\tsystemd-executo\nSigBlk:\tfffffffe7ffbfeff\n", "fatal"],
])("a hangup that is %s", (_what, signals, hangup) => {
  expect(starting("prosody").parse(shown() + reload + signals).hangup).toBe(hangup);
  expect(starting("prosody").parse(shown() + signals).hangup).toBe("unused");
});

describe("create and update", () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test("adopts a unit that is as wanted without a command", async () => {
    const host = hostWith({});
    expect(await serviceHandler.create(host, wanted)).toEqual(state());
    expect(host.changes).toEqual([]);
  });

  test("remembers how it found the unit", async () => {
    const host = hostWith({ ...stopped, UnitFileState: "disabled" }, shown() + reload + handlesHangup);
    const created = serviceHandler.create(host, wanted);
    await jest.advanceTimersByTimeAsync(1000);
    expect(await created).toEqual(state({ before: { enabled: false, active: false } }));
    expect(host.changes).toEqual(["systemctl enable prosody && systemctl start prosody"]);
  });

  test("is done only when the server can take a reload", async () => {
    const early = shown() + reload + diesOfHangup;
    const host = hostWith(stopped, early, early, early, early, shown() + reload + handlesHangup);
    const looks = () => host.scripts.filter((script) => script === starting("prosody").script).length;
    let done = false;
    const updated = serviceHandler.update(host, state({ active: false }), wanted).then(() => {
      done = true;
    });
    await jest.advanceTimersByTimeAsync(999);
    expect([looks(), done]).toEqual([4, false]);
    await jest.advanceTimersByTimeAsync(2);
    await updated;
    expect(looks()).toBe(5);
  });

  test("a unit without a sign of being ready must run on with the same process", async () => {
    const host = hostWith(stopped, shown(), shown({ MainPID: "900" }));
    let done = false;
    const before = { enabled: false, active: true };
    const updated = serviceHandler.update(host, state({ active: false, before }), wanted).then((found) => {
      done = true;
      return found;
    });
    await jest.advanceTimersByTimeAsync(250 + 1499);
    expect(done).toBe(false);
    await jest.advanceTimersByTimeAsync(1);
    expect(await updated).toEqual(state({ before }));
  });

  test("a server that ends at once fails with its journal", async () => {
    const host = hostWith(stopped, shown() + reload + diesOfHangup, shown(exploded));
    const updated = serviceHandler
      .update(host, state({ active: false }), wanted)
      .catch((error: Error) => error.message);
    await jest.advanceTimersByTimeAsync(300);
    expect(await updated).toBe(
      "prosody does not run: it ended at once (failed, exit-code). The end of its journal:\n" +
        "  Error: prosody.cfg.lua:276: syntax error near 'bar'\n" +
        "Fix: put right what the journal names, then run this again; see also `journalctl -u prosody` on the host.",
    );
  });

  test("one that never gets ready fails after a minute", async () => {
    const host = hostWith(stopped, shown({ ActiveState: "activating" }));
    const updated = serviceHandler
      .update(host, state({ active: false }), wanted)
      .catch((error: Error) => error.message);
    await jest.advanceTimersByTimeAsync(61_000);
    expect(await updated).toMatch(/^prosody does not run: it is still activating after 60 s and not up\./);
  });

  test("a refused start fails with systemctl's words", async () => {
    const host = hostWith(stopped);
    host.answers.set("systemctl start prosody", { code: 1, stderr: "Job for prosody.service failed.\n" });
    await expect(serviceHandler.update(host, state({ active: false }), wanted)).rejects.toThrow(
      /^prosody does not run: Job for prosody.service failed. The end of its journal:\n {2}Error/,
    );
  });

  test("a unit that does not exist is told as such, and need not be stopped", async () => {
    await expect(serviceHandler.create(hostWith(missing), wanted)).rejects.toThrow(
      "there is no unit prosody. Install the package that brings it, then run this again.",
    );
    const off = { ...wanted, enabled: false, active: false };
    expect(await serviceHandler.create(hostWith(missing), off)).toMatchObject(off);
  });
});

describe("delete", () => {
  test.each([
    ["what ran before the stack runs on", {}, { enabled: true, active: true }, []],
    [
      "what the stack enabled and started is disabled and stopped",
      {},
      { enabled: false, active: false },
      ["systemctl disable prosody && systemctl stop prosody"],
    ],
    [
      "what the stack only enabled runs on",
      {},
      { enabled: false, active: true },
      ["systemctl disable prosody"],
    ],
    ["what somebody stopped is not started", stopped, { enabled: true, active: true }, []],
    ["what is gone is no error", missing, { enabled: false, active: false }, []],
  ])("%s", async (_what, properties, before, changes) => {
    const host = hostWith(properties);
    await serviceHandler.delete(host, state({ before }));
    expect(host.changes).toEqual(changes);
  });
});

test("what systemctl would take for an option is no unit", () => {
  expect(serviceHandler.check!({ ...wanted, unit: "--root=/x" })).toEqual([
    { property: "unit", reason: '"--root=/x" is no unit.' },
  ]);
  expect(serviceHandler.check!({ ...wanted, unit: "getty@tty1.service" })).toEqual([]);
});

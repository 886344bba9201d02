import { osRelease } from "../../../providers/facts/os-release";
import { packages as packagesOf } from "../../../providers/facts/packages";
import { packageHandler } from "../../../providers/handlers/package";
import type { PackageInputs, PackageState } from "../../../providers/package";
import { type Answer, FakeHost } from "../../helpers/fake-host";

const packages = packagesOf("debian");
const debian = 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n';

/** A Debian host whose packages change as apt is told; `apt` answers the runs of apt-get, in their order. */
class Debian extends FakeHost {
  constructor(
    installed: Record<string, string>,
    private readonly apt: Record<string, string | { code?: number; stdout?: string; stderr?: string }> = {},
  ) {
    const list = () => Object.entries(installed).map(([name, version]) => `installed ${name} ${version}\n`);
    const answer: Answer = (_input, script) => {
      const line = script.split("\n").at(-1)!;
      const [, verb, names = ""] = / (install|remove|update|autoremove|auto)(?: (.*))?$/.exec(line) ?? [];
      const told = this.apt[`${verb} ${names}`.trim()];
      const result = typeof told === "string" ? { stdout: told } : (told ?? {});
      if (/ -s /.test(line) || result.code) return result;
      if (verb === "install") for (const name of names.split(" ")) installed[name] ??= "1.0-1";
      if (verb === "install" && names.includes("prosody")) installed["lua-sec"] ??= "1.3-1";
      if (verb === "remove") for (const name of names.split(" ")) delete installed[name];
      return result;
    };
    super({
      answers: {
        "/apt-get|dpkg|apt-mark/": answer,
        [osRelease.script]: debian,
        [packages.script]: () => list().join(""),
      },
    });
  }

  /** The last line of each script that changed something. */
  get told(): string[] {
    return this.changes.map((script) => script.split("\n").at(-1)!).filter((line) => !/ -s /.test(line));
  }
}

const wanted = (name: string): PackageInputs => ({ server: "xmpp", package: name, installed: true });
const state = (name: string, rest: Partial<PackageState> = {}): PackageState => ({
  ...wanted(name),
  version: "13.0.1-1",
  family: "debian",
  adopted: false,
  brought: [],
  ...rest,
});
const install = (names: string) =>
  "apt-get -y -q --no-install-recommends --no-remove -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef " +
  `-o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-confmiss install ${names}`;
const remove = (names: string) => `apt-get -y -q -o Dpkg::Use-Pty=0 remove ${names}`;

describe("create", () => {
  test("installs packages that are wanted at the same time in one run, and tells what came along", async () => {
    const host = new Debian({ adduser: "3.1" });
    const states = await Promise.all(
      ["prosody", "prosody-modules"].map((name) => packageHandler.create(host, wanted(name))),
    );
    expect(host.told).toEqual([install("prosody prosody-modules")]);
    expect(states).toEqual([
      state("prosody", { version: "1.0-1", brought: ["lua-sec"] }),
      state("prosody-modules", { version: "1.0-1", brought: ["lua-sec"] }),
    ]);
  });

  test("adopts what is installed without a command", async () => {
    const host = new Debian({ prosody: "13.0.1-1" });
    expect(await packageHandler.create(host, wanted("prosody"))).toEqual(state("prosody", { adopted: true }));
    expect(host.told).toEqual([]);
  });

  test("does not take for adopted what came along with another package of the stack", async () => {
    const host = new Debian({});
    await packageHandler.create(host, wanted("prosody"));
    expect(await packageHandler.create(host, wanted("lua-sec"))).toEqual(
      state("lua-sec", { version: "1.3-1" }),
    );
    expect(host.told).toEqual([install("prosody"), install("lua-sec")]); // apt notes it as wanted by name
    expect(await packageHandler.create(host, wanted("prosody"))).toMatchObject({ adopted: true });
    expect(host.told).toHaveLength(2);
  });

  test("never asks, keeps edited configuration files, and lets needrestart alone", async () => {
    const host = new Debian({});
    await packageHandler.create(host, wanted("prosody"));
    expect(host.changes[0]!.split("\n").slice(0, 4)).toEqual([
      "export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical APT_LISTCHANGES_FRONTEND=none",
      "export NEEDRESTART_SUSPEND=1 UCF_FORCE_CONFFOLD=1 LC_ALL=C.UTF-8",
      "exec </dev/null",
      '[ -n "$(find /var/lib/apt/lists/partial -maxdepth 0 -mmin -1440 2>/dev/null)" ] || apt-get -q update',
    ]);
  });

  test("fails alone when no repository has it, after new package lists", async () => {
    const unknown = { code: 100, stderr: "E: Unable to locate package nonesuch\n" };
    const host = new Debian({}, { "install prosody nonesuch": unknown });
    const results = await Promise.allSettled(
      ["prosody", "nonesuch"].map((name) => packageHandler.create(host, wanted(name))),
    );
    expect(host.told).toEqual([
      install("prosody nonesuch"),
      "apt-get -q update",
      install("prosody nonesuch"),
      install("prosody"),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect((results[1] as PromiseRejectedResult).reason.message).toBe(
      "Debian GNU/Linux 13 (trixie) has no package nonesuch.\n" +
        "  E: Unable to locate package nonesuch\n" +
        "Fix: Check the name. If another repository has it (backports, universe, one of the vendor), add that to /etc/apt/sources.list.d.",
    );
  });

  test("tells of a clock by which the lists are of the future", async () => {
    const unknown = { code: 100, stderr: "E: Unable to locate package prosody\n" };
    const update = {
      code: 100,
      stderr:
        "W: OpenPGP signature verification failed: http://mirror/debian trixie InRelease: Verifying signature: Not live until 2026-11-21T08:46:20Z\n" +
        "E: The repository 'http://mirror/debian trixie InRelease' is not signed.\n",
    };
    const host = new Debian({}, { "install prosody": unknown });
    host.answers.set("/update$/", update);
    await expect(packageHandler.create(host, wanted("prosody"))).rejects.toThrow(
      "prosody is in none of the package lists, which are signed in the future by the clock of the host.\n" +
        "  E: The repository 'http://mirror/debian trixie InRelease' is not signed.\n" +
        "  E: Unable to locate package prosody\n" +
        "Fix: Set that clock right (`timedatectl`), then run this again.",
    );
  });

  test("fetches the lists once more when they are older than the mirror", async () => {
    const gone = { code: 100, stderr: "E: Failed to fetch http://mirror/prosody.deb  404  Not Found\n" };
    const host = new Debian({}, { "install prosody": gone });
    await expect(packageHandler.create(host, wanted("prosody"))).rejects.toThrow(
      "prosody could not be fetched.\n  E: Failed to fetch http://mirror/prosody.deb  404  Not Found\n" +
        "Fix: Check the host's network, its DNS, and the mirrors in /etc/apt/sources.list*.",
    );
    expect(host.told).toEqual([install("prosody"), "apt-get -q update", install("prosody")]);
  });

  test("finishes first what an interrupted run left", async () => {
    const host = new Debian({});
    const broken = {
      code: 100,
      stderr: "E: dpkg was interrupted, you must manually run 'dpkg --configure -a'",
    };
    let runs = 0;
    host.answers.set("/install prosody$/", () => (runs++ === 0 ? broken : ""));
    await packageHandler.create(host, wanted("prosody")).catch(() => undefined);
    expect(host.told).toEqual([
      install("prosody"),
      "dpkg --force-confdef --force-confold --configure -a",
      install("prosody"),
    ]);
  });

  test("waits for another package manager", async () => {
    jest.useFakeTimers();
    const held =
      "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr)\n";
    const host = new Debian({});
    let runs = 0;
    host.answers.set("/install lua5.4$/", () => (runs++ < 3 ? { code: 100, stderr: held } : ""));
    const created = packageHandler.create(host, wanted("lua5.4")).catch(() => undefined);
    await jest.advanceTimersByTimeAsync(5_900);
    expect(runs).toBe(3);
    await jest.advanceTimersByTimeAsync(200);
    await created;
    expect(runs).toBe(4);
    jest.useRealTimers();
  });

  test("names who holds the lock when that lasts", async () => {
    jest.useFakeTimers();
    const held =
      "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr)\n";
    const host = new Debian({}, { "install prosody": { code: 100, stderr: held } });
    const created = packageHandler.create(host, wanted("prosody")).catch((error: Error) => error.message);
    await jest.advanceTimersByTimeAsync(310_000);
    expect(await created).toBe(
      "another package manager is busy: process 812 (unattended-upgr).\n" +
        `  ${held}` +
        "Fix: Wait until it is done, or see what it hangs on, then run this again.",
    );
    jest.useRealTimers();
  });

  test.each([
    [
      "E: You don't have enough free space in /var/cache/apt/archives/.",
      "there is not enough space for prosody.",
    ],
    [
      "E: Packages need to be removed but remove is disabled.",
      /^prosody conflicts with packages on the host/,
    ],
    [
      "E: Unable to correct problems, you have held broken packages.",
      /^prosody can't be installed beside what is held/,
    ],
    ["E: Sub-process /usr/bin/dpkg returned an error code (1)", "apt failed with prosody."],
  ])("explains %s", async (stderr, problem) => {
    const host = new Debian({}, { "install prosody": { code: 100, stderr } });
    const message = await packageHandler
      .create(host, wanted("prosody"))
      .catch((error: Error) => error.message);
    const [first, second, fix] = (message as string).split("\n");
    expect(first).toEqual(typeof problem === "string" ? problem : expect.stringMatching(problem));
    expect(second).toBe(`  ${stderr}`);
    expect(fix).toMatch(/^Fix: \S/);
  });

  test("refuses a host of neither family before anything is changed", async () => {
    const host = new FakeHost({
      answers: { [osRelease.script]: 'ID=alpine\nPRETTY_NAME="Alpine Linux v3.22"\n' },
    });
    await expect(packageHandler.create(host, wanted("prosody"))).rejects.toThrow(
      "the host runs Alpine Linux v3.22 (ID=alpine), which is not supported.",
    );
    expect(host.changes).toEqual([]);
  });
});

describe("read and update", () => {
  test("a package removed by hand is not installed, and keeps its version", async () => {
    const host = new Debian({});
    expect(await packageHandler.read(host, state("prosody"))).toEqual(state("prosody", { installed: false }));
  });

  test("many packages are read at once", async () => {
    const host = new Debian({ prosody: "13.0.2-1", "lua-event": "0.4" });
    const found = await Promise.all(
      ["prosody", "lua-event"].map((name) => packageHandler.read(host, state(name))),
    );
    expect(found.map((each) => each?.version)).toEqual(["13.0.2-1", "0.4"]);
    expect(host.scripts).toEqual([packages.script, osRelease.script]);
  });

  test("update installs again and remembers whose package it was", async () => {
    const host = new Debian({});
    const old = state("prosody", { installed: false, adopted: true, brought: ["lua-expat"] });
    expect(await packageHandler.update(host, old, wanted("prosody"))).toEqual(
      state("prosody", { version: "1.0-1", adopted: true, brought: ["lua-expat", "lua-sec"] }),
    );
  });

  test("version and family go from the state into the next inputs, and are no difference of their own", () => {
    expect(packageHandler.complete!(wanted("prosody"), state("prosody"))).toEqual({
      ...wanted("prosody"),
      version: "13.0.1-1",
      family: "debian",
    });
    expect(packageHandler.complete!(wanted("prosody"), undefined)).toEqual(wanted("prosody"));
    expect(packageHandler.diff!(state("prosody"), { ...wanted("prosody"), version: "13.0.0-1" })).toEqual([]);
    expect(packageHandler.diff!(state("prosody", { installed: false }), wanted("prosody"))).toEqual([
      "installed",
    ]);
  });

  test("names that a package manager would take for an option are refused", () => {
    expect(packageHandler.check!(wanted("-oAPT::x"))).toEqual([
      { property: "package", reason: '"-oAPT::x" is no package name.' },
    ]);
    expect(packageHandler.check!(wanted("libstdc++6"))).toEqual([]);
  });
});

describe("delete", () => {
  const sim = (...names: string[]) => names.map((name) => `Remv ${name} [1.0]\n`).join("");
  /** A host whose prosody is needed by prosody-modules. */
  const withModules = () =>
    new Debian(
      { prosody: "1", "prosody-modules": "1" },
      {
        "remove prosody": sim("prosody-modules", "prosody"),
        "remove prosody-modules": sim("prosody-modules"),
        "autoremove prosody-modules": sim("prosody-modules", "prosody"),
      },
    );

  test("removes what the stack installed, and what came along and nothing else needs", async () => {
    const host = new Debian(
      { prosody: "1", "lua-sec": "1", orphan: "1" },
      { "remove prosody": sim("prosody"), "autoremove prosody": sim("prosody", "lua-sec", "orphan") },
    );
    await packageHandler.delete(host, state("prosody", { brought: ["lua-sec", "libicu76"] }));
    expect(host.told).toEqual([remove("prosody lua-sec")]);
  });

  test("leaves what was there before the stack, and succeeds when the package is gone", async () => {
    const host = new Debian({ prosody: "1" });
    await packageHandler.delete(host, state("prosody", { adopted: true }));
    await packageHandler.delete(host, state("lua-event"));
    expect(host.told).toEqual([]);
  });

  test("leaves what something else needs by now, until that goes", async () => {
    const host = withModules();
    await packageHandler.delete(host, state("prosody"));
    expect(host.told).toEqual(["apt-mark auto prosody"]);
    await packageHandler.delete(host, state("prosody-modules"));
    expect(host.told.slice(1)).toEqual([remove("prosody-modules prosody")]);
  });

  test("leaves what is wanted again by then, as a replacement, and has it noted as wanted by name", async () => {
    const host = withModules();
    await packageHandler.delete(host, state("prosody"));
    expect(await packageHandler.create(host, wanted("prosody"))).toMatchObject({ adopted: false });
    await packageHandler.delete(host, state("prosody-modules"));
    expect(host.told).toEqual(["apt-mark auto prosody", install("prosody"), remove("prosody-modules")]);
  });

  test("nothing is installed between the look at what goes along and the removal", async () => {
    const host = new Debian(
      { prosody: "1", "lua-sec": "1" },
      { "remove prosody": sim("prosody"), "autoremove prosody": sim("prosody", "lua-sec") },
    );
    await Promise.all([
      packageHandler.delete(host, state("prosody", { brought: ["lua-sec"] })),
      packageHandler.create(host, wanted("coturn")),
    ]);
    expect(host.told).toEqual([remove("prosody lua-sec"), install("coturn")]);
  });
});

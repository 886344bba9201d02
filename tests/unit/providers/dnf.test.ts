import { osRelease } from "../../../providers/facts/os-release";
import { packages } from "../../../providers/facts/packages";
import { packageHandler } from "../../../providers/handlers/package";
import type { PackageInputs, PackageState } from "../../../providers/package";
import { neededCapabilities } from "../../../providers/packages/dnf";
import { type Answer, FakeHost } from "../../helpers/fake-host";

const fact = packages("fedora");
const fedora = 'ID=fedora\nVERSION_ID=42\nPRETTY_NAME="Fedora Linux 42 (Server Edition)"\n';

type Told = string | { code?: number; stdout?: string; stderr?: string };

/** A Fedora host whose packages change as dnf is told; `told` answers last lines of scripts by their end. */
class Fedora extends FakeHost {
  constructor(installed: Record<string, string>, told: Record<string, Told> = {}, os = fedora) {
    const answer: Answer = (_input, script) => {
      const line = script.split("\n").at(-1)!;
      const [, verb, rest = ""] = / (install|remove) (.*)$/.exec(line) ?? [];
      const given = Object.entries(told).find(([end]) => line.endsWith(end))?.[1] ?? "";
      const result = typeof given === "string" ? { stdout: given } : given;
      if (result.code) return result;
      if (verb === "install") for (const name of rest.split(" ")) installed[name] ??= "1.0-1.fc42";
      if (verb === "install" && rest.includes("prosody")) installed["lua-sec"] ??= "1.3-1.fc42";
      if (verb === "remove" && !line.includes(" mark "))
        for (const name of rest.split(" ")) delete installed[name];
      return result;
    };
    super({
      answers: {
        "/dnf|rpm /": answer,
        [osRelease.script]: os,
        [fact.script]: () =>
          Object.entries(installed)
            .map(([name, version]) => `installed ${name} ${version}\n`)
            .join(""),
      },
    });
  }

  /** The last line of each script that changed something. */
  get told(): string[] {
    return this.changes.map((script) => script.split("\n").at(-1)!);
  }
}

const wanted = (name: string): PackageInputs => ({ server: "xmpp", package: name, installed: true });
const state = (name: string, rest: Partial<PackageState> = {}): PackageState => ({
  ...wanted(name),
  version: "13.0.6-1.fc42",
  family: "fedora",
  adopted: false,
  brought: [],
  ...rest,
});
const install = (names: string, refresh = "") =>
  `dnf -y --setopt=install_weak_deps=False${refresh} install ${names}`;
const remove = (names: string) => `dnf -y -q --setopt=clean_requirements_on_remove=False remove ${names}`;

describe("install", () => {
  test("in one run, without weak dependencies, by Fedora's names; what Fedora has not is not missing", async () => {
    const host = new Fedora({});
    const states = await Promise.all(
      ["prosody", "prosody-modules", "lua-dbi-sqlite3"].map((name) =>
        packageHandler.create(host, wanted(name)),
      ),
    );
    expect(host.told).toEqual([install("prosody lua-dbi")]);
    expect(host.changes[0]!.split("\n").slice(0, -1)).toEqual(["export LC_ALL=C.UTF-8; exec </dev/null"]);
    expect(states).toEqual([
      state("prosody", { version: "1.0-1.fc42", brought: ["lua-sec"] }),
      state("prosody-modules", { version: "", installed: false, needed: false, adopted: true }),
      state("lua-dbi-sqlite3", { version: "1.0-1.fc42", brought: ["lua-sec"] }),
    ]);
    expect(await packageHandler.read(host, states[1]!)).toEqual(states[1]);
    expect(packageHandler.diff!(states[1]!, wanted("prosody-modules"))).toEqual([]);
    await packageHandler.delete(host, states[1]!);
    expect(host.told).toHaveLength(1);
  });

  test("what came along with another package is noted as wanted for its own sake", async () => {
    const host = new Fedora({});
    await packageHandler.create(host, wanted("prosody"));
    expect(await packageHandler.create(host, wanted("lua-sec"))).toMatchObject({ adopted: false });
    expect(host.told.slice(1)).toEqual([
      install("lua-sec"),
      "dnf -y -q mark install lua-sec || dnf -y -q mark user lua-sec",
    ]);
  });

  test("a package removed by hand is not installed, and keeps its version", async () => {
    expect(await packageHandler.read(new Fedora({}), state("prosody"))).toEqual(
      state("prosody", { installed: false }),
    );
  });

  const unknown4 = {
    code: 1,
    stderr: "No match for argument: nonesuch\nError: Unable to find a match: nonesuch\n",
  };
  const unknown5 = {
    code: 1,
    stderr:
      "Failed to resolve the transaction:\nNo match for argument: nonesuch\n" +
      "You can try to add to command line:\n  --skip-unavailable to skip unavailable packages\n",
  };
  test.each([
    ["dnf 4", unknown4, "  No match for argument: nonesuch\n  Error: Unable to find a match: nonesuch\n"],
    ["dnf 5", unknown5, "  No match for argument: nonesuch\n"],
  ])("an unknown package fails alone, after new lists (%s)", async (_version, unknown, quoted) => {
    const host = new Fedora({}, { "install prosody nonesuch": unknown });
    const results = await Promise.allSettled(
      ["prosody", "nonesuch"].map((name) => packageHandler.create(host, wanted(name))),
    );
    expect(host.told).toEqual([
      install("prosody nonesuch"),
      install("prosody nonesuch", " --refresh"),
      install("prosody"),
    ]);
    expect(results[0]!.status).toBe("fulfilled");
    expect((results[1] as PromiseRejectedResult).reason.message).toBe(
      `Fedora Linux 42 (Server Edition) has no package nonesuch.\n${quoted}` +
        "Fix: Check the name. If another repository has it, add that to /etc/yum.repos.d.",
    );
  });

  test("on relatives of RHEL the fix is EPEL", async () => {
    const unknown = {
      code: 1,
      stderr: "Error: Unable to find a match: prosody\nNo match for argument: prosody\n",
    };
    const rocky = 'ID="rocky"\nID_LIKE="rhel centos fedora"\nPRETTY_NAME="Rocky Linux 9.6"\n';
    const host = new Fedora({}, { "install prosody": unknown }, rocky);
    await expect(packageHandler.create(host, wanted("prosody"))).rejects.toThrow(
      /^Rocky Linux 9\.6 has no [\s\S]*EPEL/,
    );
  });

  test("waits for who changes packages, and says so when that lasts", async () => {
    jest.useFakeTimers();
    const held = {
      code: 1,
      stderr:
        "RPM: error: can't create transaction lock on /usr/lib/sysimage/rpm/.rpm.lock\nError: Could not run transaction.\n",
    };
    const host = new Fedora({}, { "install prosody": held });
    const created = packageHandler.create(host, wanted("prosody")).catch((error: Error) => error.message);
    await jest.advanceTimersByTimeAsync(9_900);
    expect(host.told).toHaveLength(5);
    await jest.advanceTimersByTimeAsync(300_000);
    expect(await created).toMatch(
      /^another package manager is busy\.\n {2}RPM: error: [\s\S]*\nFix: See which /,
    );
    jest.useRealTimers();
  });

  test.each([
    [
      "All matches were filtered out by exclude filtering for argument: prosody",
      "prosody is excluded on the host.",
    ],
    [
      "Error: Transaction test error:\n  installing package needs 80MB more space needed on the / filesystem",
      "there is not enough space for prosody.",
    ],
    [
      "  - Curl error (7): Could not connect to server for http://mirror/repodata/repomd.xml",
      "prosody could not be fetched.",
    ],
    [">>> Status code: 404 for http://mirror/prosody.rpm", "prosody could not be fetched."],
    [
      "Error: Failed to download metadata for repo 'fedora'\nError: Unable to find a match: prosody",
      "prosody could not be fetched, nor could a list of packages.",
    ],
    ["Error: GPG check FAILED", "the signature of prosody can't be checked."],
    [
      " Problem: package prosody conflicts with ejabberd",
      /^prosody can't be installed beside what is on the host/,
    ],
    ["Error: scriptlet failed", "dnf failed with prosody."],
  ])("explains %s", async (stderr, problem) => {
    const host = new Fedora({}, { "install prosody": { code: 1, stderr } });
    const message = await packageHandler
      .create(host, wanted("prosody"))
      .catch((error: Error) => error.message);
    const lines = (message as string).split("\n");
    expect(lines[0]).toEqual(typeof problem === "string" ? problem : expect.stringMatching(problem));
    expect(lines[1]).toBe(`  ${stderr.split("\n")[0]!.trim()}`);
    expect(lines.at(-1)).toMatch(/^Fix: \S/);
  });
});

describe("remove", () => {
  const neededBy = (needed: string, by: string) =>
    `\t${needed} is needed by (installed) ${by}-1.0-1.fc42.x86_64\n`;

  test("what the stack installed goes with what came along, unless somebody asked for that by name", async () => {
    const host = new Fedora(
      { prosody: "1", "lua-sec": "1", "lua-expat": "1", orphan: "1" },
      { "'%{name}\\n'": "lua-expat\n\nprosody\n" },
    );
    await packageHandler.delete(host, state("prosody", { brought: ["lua-sec", "lua-expat", "libicu76"] }));
    expect(host.told).toEqual([remove("prosody lua-sec")]);
  });

  test("what others need stays, with what that needs", async () => {
    const host = new Fedora(
      { prosody: "1", "lua-sec": "1", lua: "1" },
      {
        "-- prosody lua-sec lua 2>&1 || true": `error: Failed dependencies:\n${neededBy("lua(abi) = 5.4", "other")}`,
        "'lua(abi)' 2>&1 || true": "lua\n",
        "-- prosody lua-sec 2>&1 || true": "",
      },
    );
    await packageHandler.delete(host, state("prosody", { brought: ["lua-sec", "lua"] }));
    expect(host.told).toEqual([remove("prosody lua-sec")]);
  });

  test("a package that something else needs by now stays until that goes", async () => {
    const host = new Fedora(
      { prosody: "1", addon: "1" },
      {
        "-- prosody 2>&1 || true": neededBy("prosody", "addon"),
        "whatprovides -- prosody 2>&1 || true": "prosody\n",
      },
    );
    await packageHandler.delete(host, state("prosody"));
    expect(host.told).toEqual(["dnf -y -q mark remove prosody || dnf -y -q mark dependency prosody"]);
    await packageHandler.delete(host, state("addon"));
    expect(host.told.slice(1)).toEqual([remove("addon prosody")]);
  });

  test("nothing goes for a reason that rpm does not name", async () => {
    const host = new Fedora(
      { prosody: "1" },
      {
        "-- prosody 2>&1 || true": neededBy("(a or b)", "addon"),
        "whatprovides -- '(a or b)' 2>&1 || true": "",
      },
    );
    await packageHandler.delete(host, state("prosody"));
    expect(host.told.filter((line) => line.includes(" remove ") && !line.includes("mark"))).toEqual([]);
  });

  test("capabilities are told without versions", () => {
    expect(
      neededCapabilities(
        `error: Failed dependencies:\n${neededBy("lua(abi) = 5.4", "a")}${neededBy("libicu.so.76()(64bit)", "b")}${neededBy("lua-sec", "c")}${neededBy("lua-sec", "d")}`,
      ),
    ).toEqual(["lua(abi)", "libicu.so.76()(64bit)", "lua-sec"]);
  });
});

describe("names that are one package on Fedora", () => {
  const before = state("lua-dbi-postgresql", { version: "1.0-1.fc42" });

  test("the one that goes leaves the package to the one that came, whose it is from then on", async () => {
    const host = new Fedora({ "lua-dbi": "1.0-1.fc42" });
    await packageHandler.read(host, before);
    const after = await packageHandler.create(host, wanted("lua-dbi-sqlite3"));
    await packageHandler.delete(host, before);
    expect(after).toEqual(state("lua-dbi-sqlite3", { version: "1.0-1.fc42" }));
    expect(host.told).toEqual([]);
  });

  test("one that nobody else wants goes", async () => {
    const host = new Fedora({ "lua-dbi": "1.0-1.fc42" });
    await packageHandler.read(host, before);
    await packageHandler.delete(host, before);
    expect(host.told).toEqual([remove("lua-dbi")]);
  });
});

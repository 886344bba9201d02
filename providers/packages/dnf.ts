import { packages } from "../facts/packages";
import type { Host } from "../host";
import { raw, sh } from "../ssh/quote";
import { explain, isFetchError, isLocked, unknownPackages } from "./dnf-errors";
import type { PackageManager } from "./index";
import { patiently } from "./patience";

/** Seconds that one run of dnf may take: a slow mirror, an old disk. */
const runTime = 600;

/** What dnf 4 and dnf 5 end with when they fail. */
const failed = [1, 2, 3, 200];

/** Nothing may ask, and errors are read. */
const quiet = "export LC_ALL=C.UTF-8; exec </dev/null\n";

/**
 * Without weak dependencies: what a good server needs is asked for by name. RPM itself keeps configuration files that
 * were edited, and dnf removes nothing to install something unless it is told to (`--allowerasing`).
 */
const options = "-y --setopt=install_weak_deps=False";

/**
 * Fedora, RHEL and relatives. dnf only writes; what is there is asked of rpm, whose answers don't differ between
 * dnf 4 and dnf 5.
 */
export const dnf: PackageManager = {
  async install(host, os, names) {
    const failures = new Map<string, Error>();
    const installed = await host.fact(packages("fedora"));
    const there = names.filter((name) => Object.hasOwn(installed, name));
    for (let wanted = names, attempt = 0; wanted.length > 0; attempt++) {
      const refresh = attempt === 1 ? " --refresh" : ""; // its lists may be two days old
      const said = await run(
        host,
        `installing ${wanted.join(" ")}`,
        sh`dnf ${raw(options + refresh)} install ${wanted}`,
      );
      if (said === undefined) break;
      const unknown = unknownPackages(said);
      if (attempt === 0 && (unknown.length > 0 || isFetchError(said))) continue;
      if (unknown.length === 0) throw explain(said, os, wanted);
      for (const name of unknown) failures.set(name, explain(said, os, [name]));
      wanted = wanted.filter((name) => !unknown.includes(name));
    }
    // dnf 4 leaves what came along with another package as it is, although it is now wanted for its own sake.
    if (there.length > 0) await mark(host, "install", "user", there);
    return failures;
  },

  async remove(host, names, brought) {
    const removable = await withoutNeeded(host, [...names, ...(await idle(host, brought))]);
    const needed = names.filter((name) => !removable.includes(name));
    // One that stays is no longer wanted for its own sake: it goes with the last package that needs it.
    if (needed.length > 0) await mark(host, "remove", "dependency", needed);
    // What else on the host nobody needs is not ours to remove.
    const script = sh`dnf -y -q --setopt=clean_requirements_on_remove=False remove ${removable}`;
    if (removable.length > 0) await must(host, `removing ${removable.join(" ")}`, script, removable);
    return needed;
  },
};

/** Those of the packages that came along with others which are still there, and that nobody asked for by name since. */
async function idle(host: Host, brought: readonly string[]): Promise<string[]> {
  const installed = await host.fact(packages("fedora"));
  const there = brought.filter((name) => Object.hasOwn(installed, name));
  if (there.length === 0) return [];
  const { stdout } = await host.run(
    `${quiet}dnf -q --disablerepo='*' repoquery --userinstalled --qf '%{name}\\n'`,
    { doing: "asking which packages were asked for by name", timeout: 120 },
  );
  const asked = new Set(stdout.split("\n").map((line) => line.trim()));
  return there.filter((name) => !asked.has(name));
}

/** The largest part of `names` that can be removed together without breaking what else is on the host. */
async function withoutNeeded(host: Host, names: readonly string[]): Promise<string[]> {
  let rest = [...new Set(names)];
  while (rest.length > 0) {
    const { stdout } = await host.run(sh`LC_ALL=C.UTF-8 rpm -e --test -- ${rest} 2>&1 || true`, {
      doing: `looking at what needs ${rest.join(" ")}`,
    });
    const capabilities = neededCapabilities(stdout);
    if (capabilities.length === 0) return rest;
    const providers = await host.run(
      sh`rpm -q --qf '%{NAME}\\n' --whatprovides -- ${capabilities} 2>&1 || true`,
      { doing: `looking at what has ${capabilities.join(", ")}` },
    );
    const needed = new Set(providers.stdout.split("\n"));
    const fewer = rest.filter((name) => !needed.has(name));
    if (fewer.length === rest.length) return []; // rpm knows a reason that it does not name: better nothing
    rest = fewer;
  }
  return rest;
}

/** Pure: what other packages need of those that are to go, from what `rpm -e --test` says: names of capabilities. */
export function neededCapabilities(said: string): string[] {
  const lines = [...said.matchAll(/^\t(.+?)(?: [<>=]+ \S+)? is needed by \(installed\) /gm)];
  return [...new Set(lines.map((match) => match[1]!))];
}

/** Notes why packages are on the host, in dnf 4's words and in dnf 5's. */
async function mark(host: Host, dnf4: string, dnf5: string, names: readonly string[]): Promise<void> {
  const script = sh`dnf -y -q mark ${dnf4} ${names} || dnf -y -q mark ${dnf5} ${names}`;
  await must(host, `marking ${names.join(" ")}`, script, names);
}

async function must(host: Host, doing: string, script: string, names: readonly string[]): Promise<void> {
  const said = await run(host, doing, script);
  if (said !== undefined) throw explain(said, { id: "", name: "" }, names);
}

/**
 * Runs dnf as soon as nobody else changes packages.
 * @returns `undefined` on success, else what it said
 */
async function run(host: Host, doing: string, script: string): Promise<string | undefined> {
  const attempt = async () => {
    const { code, stdout, stderr } = await host.run(quiet + script, {
      doing,
      timeout: runTime,
      accept: [0, ...failed],
      changes: true,
    });
    return code === 0 ? undefined : `${stdout}\n${stderr}`;
  };
  return patiently(attempt, (said) =>
    said !== undefined && isLocked(said) ? "another package manager" : undefined,
  );
}

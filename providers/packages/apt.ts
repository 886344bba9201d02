import type { Host, RunResult } from "../host";
import { raw, sh } from "../ssh/quote";
import { explain, isFetchError, isInterrupted, lockHolder, unknownPackages } from "./apt-errors";
import type { PackageManager } from "./index";
import { patiently } from "./patience";

/** Seconds that one run of apt may take: a slow mirror, an old disk. */
const runTime = 600;

/** apt's own complaints, and dpkg's. */
const failed = [100];

/**
 * Nothing may ask: neither debconf, nor dpkg about an edited configuration file (kept; one that is missing comes
 * back), nor apt-listchanges. needrestart must not restart the host's other services.
 */
const quiet = `export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical APT_LISTCHANGES_FRONTEND=none
export NEEDRESTART_SUSPEND=1 UCF_FORCE_CONFFOLD=1 LC_ALL=C.UTF-8
exec </dev/null
`;

/**
 * Without recommended packages: lua-readline is among Prosody's, and makes `prosodyctl shell` save every command,
 * passwords too, in a history file. What a good server needs is asked for by name.
 */
const options =
  "-y -q --no-install-recommends --no-remove -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef " +
  "-o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-confmiss";

/** apt updates this directory's time whenever it fetches the lists. */
const listsOfToday = "find /var/lib/apt/lists/partial -maxdepth 0 -mmin -1440 2>/dev/null";

/** Debian, Ubuntu and relatives. */
export const apt: PackageManager = {
  async install(host, os, names) {
    const failures = new Map<string, Error>();
    let update = "";
    for (let wanted = names, attempt = 0; wanted.length > 0; attempt++) {
      const result = await run(
        host,
        `installing ${wanted.join(" ")}`,
        sh`[ -n "$(${raw(listsOfToday)})" ] || apt-get -q update
apt-get ${raw(options)} install ${wanted}`,
      );
      if (result.code === 0) break;
      const unknown = unknownPackages(result.stderr);
      if (attempt === 0 && (unknown.length > 0 || isFetchError(result.stderr))) {
        update = (await run(host, "fetching the package lists", "apt-get -q update")).stderr;
        continue;
      }
      if (unknown.length === 0) throw explain(result, os.name, wanted);
      for (const name of unknown) failures.set(name, explain(result, os.name, [name], update));
      wanted = wanted.filter((name) => !unknown.includes(name));
    }
    return failures;
  },

  async remove(host, names, brought) {
    const needed = await neededByOthers(host, names);
    const free = names.filter((name) => !needed.includes(name));
    // One that stays is no longer wanted for its own sake: it goes with the last package that needs it.
    if (needed.length > 0)
      await must(host, `releasing ${needed.join(" ")}`, sh`apt-mark auto ${needed}`, needed);
    const orphans = brought.length > 0 ? await simulate(host, sh`autoremove ${free}`, names) : [];
    const all = [...new Set([...free, ...orphans.filter((name) => brought.includes(name))])];
    if (all.length > 0)
      await must(host, `removing ${all.join(" ")}`, sh`apt-get -y -q -o Dpkg::Use-Pty=0 remove ${all}`, all);
    return needed;
  },
};

/** Which of `names` something else on the host depends on. */
async function neededByOthers(host: Host, names: readonly string[]): Promise<string[]> {
  const isFree = (removed: string[]) => removed.every((name) => names.includes(name));
  if (isFree(await simulate(host, sh`remove ${names}`, names))) return [];
  const needed: string[] = [];
  for (const name of names) if (!isFree(await simulate(host, sh`remove ${name}`, names))) needed.push(name);
  return needed;
}

/** What a command of apt would remove. */
async function simulate(host: Host, command: string, names: readonly string[]): Promise<string[]> {
  const { stdout } = await must(
    host,
    `looking at what goes with ${names.join(" ")}`,
    `apt-get -s ${command}`,
    names,
  );
  return [...stdout.matchAll(/^Remv (\S+)/gm)].map((match) => match[1]!);
}

async function must(host: Host, doing: string, script: string, names: readonly string[]): Promise<RunResult> {
  const result = await run(host, doing, script);
  if (result.code !== 0) throw explain(result, "", names);
  return result;
}

/** Runs apt as soon as no other package manager runs, after finishing what one that was cut off had begun. */
async function run(host: Host, doing: string, script: string): Promise<RunResult> {
  const attempt = () =>
    host.run(quiet + script, { doing, timeout: runTime, accept: [0, ...failed], changes: true });
  const busy = ({ stderr }: RunResult) => {
    const holder = lockHolder(stderr);
    return holder && `apt's lock, which ${holder} has`;
  };
  const result = await patiently(attempt, busy);
  if (result.code === 0 || !isInterrupted(result.stderr)) return result;
  await host.run(`${quiet}dpkg --force-confdef --force-confold --configure -a`, {
    doing: "finishing an installation that was cut off",
    timeout: runTime,
    changes: true,
    fix: "Run `dpkg --configure -a` on the host and look at what it says.",
  });
  return patiently(attempt, busy);
}

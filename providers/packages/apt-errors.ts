import type { RunResult } from "../host";
import { type Diagnosis, failure } from "./explain";

/** Pure: the names that no repository of the host knows. */
export function unknownPackages(stderr: string): string[] {
  const patterns =
    /^E: (?:Unable to locate package (\S+)|Package '?([^\s']+)'? has no installation candidate)$/gm;
  return [...stderr.matchAll(patterns)].map((match) => (match[1] ?? match[2])!);
}

/** Pure: a package could not be fetched: no network, or the lists are older than the mirror. */
export function isFetchError(stderr: string): boolean {
  return /^E: (Failed to fetch|Unable to fetch)/m.test(stderr);
}

/** Pure: an earlier run was cut off and dpkg wants to finish it first. */
export function isInterrupted(stderr: string): boolean {
  return /dpkg was interrupted/.test(stderr);
}

/** Pure: who holds apt's lock, e.g. "process 812 (unattended-upgr)". */
export function lockHolder(stderr: string): string | undefined {
  return /^E: Could not get lock \S+ It is held by (process \d+ \([^)]*\))/m.exec(stderr)?.[1];
}

/** apt's own complaints, dpkg's, and the lines of unmet dependencies. */
const complaint = /^ ?(E:|W: Failed|dpkg: error| \S+ : )/;

/** Pure: what apt's failure means and what to do about it, with apt's own last lines. */
export function explain(result: RunResult, os: string, names: readonly string[], update = ""): Error {
  const said = `${result.stdout}\n${result.stderr}`;
  return failure(diagnose(said, os, names, update), `${update}\n${said}`, complaint);
}

function diagnose(said: string, os: string, names: readonly string[], update: string): Diagnosis {
  const list = names.join(", ");
  const holder = lockHolder(said);
  if (holder)
    return [
      `another package manager is busy: ${holder}.`,
      "Wait until it is done, or see what it hangs on, then run this again.",
    ];
  if (unknownPackages(said).length > 0 && /Not live until|is not valid yet/.test(update))
    return [
      `${list} is in none of the package lists, which are signed in the future by the clock of the host.`,
      "Set that clock right (`timedatectl`), then run this again.",
    ];
  if (unknownPackages(said).length > 0)
    return /Failed to fetch/.test(update)
      ? [
          `${list} is in none of the package lists, which could not be fetched.`,
          "Check the host's network, its DNS, and the mirrors in /etc/apt/sources.list*.",
        ]
      : [
          `${os} has no package ${list}.`,
          "Check the name. If another repository has it (backports, universe, one of the vendor), add that to /etc/apt/sources.list.d.",
        ];
  if (/No space left on device|enough free space/.test(said))
    return [
      `there is not enough space for ${list}.`,
      "Free some on the file system that apt names (`df -h`, `apt-get clean`).",
    ];
  if (/Failed to fetch|Unable to fetch/.test(said))
    return [
      `${list} could not be fetched.`,
      "Check the host's network, its DNS, and the mirrors in /etc/apt/sources.list*.",
    ];
  if (/Packages need to be removed but remove is disabled/.test(said))
    return [
      `${list} conflicts with packages on the host, which this program never removes.`,
      `Look at \`apt-get -s install ${names.join(" ")}\` and remove what is in the way.`,
    ];
  if (/held broken packages|Held packages were changed|unmet dependencies/.test(said))
    return [
      `${list} can't be installed beside what is held or broken on the host.`,
      "See `apt-mark showhold` and `apt-get check`; release what is held with `apt-mark unhold`.",
    ];
  return [`apt failed with ${list}.`, "Look at /var/log/apt/term.log on the host."];
}

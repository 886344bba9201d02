import type { OsRelease } from "../facts/os-release";
import { type Diagnosis, failure } from "./explain";

/** Pure: the names that no repository of the host knows. dnf 4 and dnf 5 say it alike. */
export function unknownPackages(said: string): string[] {
  const lines = said.matchAll(/^(?:No match for argument|Error: Unable to find a match): (.+)$/gm);
  return [...new Set([...lines].flatMap((match) => match[1]!.trim().split(" ")))];
}

/** Pure: packages or the repositories' lists could not be fetched, or the lists are older than the mirror. */
export function isFetchError(said: string): boolean {
  return /Curl error|Cannot download|Failed to download|Errors? (during )?downloading|Status code: \d+|No more mirrors|incorrect checksum|Unknown repo|Failed to synchronize cache/i.test(
    said,
  );
}

/** Pure: another program changes packages at this moment. (For dnf's own lock, dnf itself waits.) */
export function isLocked(said: string): boolean {
  return /can't create transaction lock|Failed to obtain (?:the |rpm )?transaction lock/i.test(said);
}

/** Pure: what dnf's failure means and what to do about it, with its own last lines. */
export function explain(said: string, os: Pick<OsRelease, "id" | "name">, names: readonly string[]): Error {
  return failure(
    diagnose(said, os, names),
    said,
    /^\s*(Errors? |Error:|Problem|- |No match|All matches|>>>|RPM: error|\S+ is needed by)/i,
  );
}

const fixNetwork = "Check the host's network, its DNS, and the repositories in /etc/yum.repos.d.";

function diagnose(said: string, os: Pick<OsRelease, "id" | "name">, names: readonly string[]): Diagnosis {
  const list = names.join(", ");
  if (isLocked(said))
    return [
      "another package manager is busy.",
      "See which (`ps -C dnf,dnf5,rpm,packagekitd`), wait until it is done, then run this again.",
    ];
  if (/filtered out by|matches only excluded/.test(said))
    return [
      `${list} is excluded on the host.`,
      "See `excludepkgs` in /etc/dnf/dnf.conf and /etc/yum.repos.d, and `dnf module list` for streams.",
    ];
  if (unknownPackages(said).length > 0)
    return isFetchError(said)
      ? [`${list} could not be fetched, nor could a list of packages.`, fixNetwork]
      : [
          `${os.name} has no package ${list}.`,
          os.id === "fedora"
            ? "Check the name. If another repository has it, add that to /etc/yum.repos.d."
            : "Check the name. Prosody and what it needs are in EPEL (`dnf install epel-release`, then `dnf config-manager --set-enabled crb`); add other repositories to /etc/yum.repos.d.",
        ];
  if (/No space left on device|more space needed/i.test(said))
    return [
      `there is not enough space for ${list}.`,
      "Free some on the file system that dnf names (`df -h`, `dnf clean packages`).",
    ];
  if (/GPG check FAILED|Public key .* is not installed|GPG public keys/i.test(said))
    return [
      `the signature of ${list} can't be checked.`,
      "Give the repository in /etc/yum.repos.d its `gpgkey`, as its vendor tells.",
    ];
  if (isFetchError(said)) return [`${list} could not be fetched.`, fixNetwork];
  if (/conflict|--allowerasing|nothing provides|cannot install/i.test(said))
    return [
      `${list} can't be installed beside what is on the host, of which this program never removes anything.`,
      `Look at \`dnf install ${names.join(" ")}\` and put right what it names.`,
    ];
  return [`dnf failed with ${list}.`, "Look at /var/log/dnf.log (dnf5.log with dnf 5) on the host."];
}

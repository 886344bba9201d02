import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { run, say, sayNowAndThen } from "./command";
import { withLock } from "./lock";
import { paths } from "./paths";

/** Programs that the lab runs, and the Debian packages that bring them. */
const programs: Record<string, string> = {
  debootstrap: "debootstrap",
  "systemd-nspawn": "systemd-container",
  nft: "nftables",
  ip: "iproute2",
  ssh: "openssh-client",
  openssl: "openssl",
};

const elsewhere =
  "Or use a host of your own: set prosody:host (address, user, hostKey, privateKeyFile) in your stack's " +
  "configuration and run `pulumi up` there.";

/**
 * Makes sure that this machine can run lab hosts; installs what is missing with apt-get.
 * @throws Error that says what is missing and what to do: not Linux, not root, packages that can't be installed.
 */
export async function prepareMachine(): Promise<void> {
  if (process.platform !== "linux")
    throw new Error(
      `The lab boots real Linux hosts and needs Linux; this is ${process.platform}. ${elsewhere}`,
    );
  if (process.getuid?.() !== 0)
    throw new Error(
      `The lab mounts file systems and makes network links, so it needs root: try sudo. ${elsewhere}`,
    );
  // `su` without a login shell leaves out where the programs of administrators are.
  const path = (process.env.PATH ?? "").split(delimiter);
  process.env.PATH = [...new Set([...path, "/usr/local/sbin", "/usr/sbin", "/sbin"])].join(delimiter);
  await installMissing(programs);
}

/**
 * Installs programs that this machine lacks with apt-get.
 * @param wanted program → the Debian package that brings it
 * @throws Error that says what is missing where there is no apt-get, or it fails
 */
export async function installMissing(wanted: Record<string, string>): Promise<void> {
  const missing = missingPackages(wanted);
  if (missing.length === 0) return;
  if (!isProgram("apt-get"))
    throw new Error(
      `The lab needs ${missing.join(", ")} (Debian's names of the packages): install them and try again. ${elsewhere}`,
    );
  await withLock(paths.lock("packages"), "Waiting for another process that installs packages.", async () => {
    const packages = missingPackages(wanted);
    if (packages.length === 0) return;
    say(`Installing ${packages.join(", ")} with apt-get`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["-q", "update"], { env, onLine: sayNowAndThen("  ") });
    await run("apt-get", ["-q", "-y", "--no-install-recommends", "install", ...packages], {
      env,
      onLine: sayNowAndThen("  "),
    });
  });
}

function missingPackages(wanted: Record<string, string>): string[] {
  return Object.entries(wanted)
    .filter(([program]) => !isProgram(program))
    .map(([, name]) => name);
}

function isProgram(name: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Whether systemd runs this machine, so that nspawn can get its scope from it. */
export function hasSystemd(): boolean {
  return existsSync("/run/systemd/system");
}

/** Where the cgroup hierarchy lies that systemd in a host will use: cgroup v2's and, if any, v1's own for systemd. */
export function cgroupMounts(): string[] {
  return systemdCgroups(readFileSync("/proc/self/mountinfo", "utf8"));
}

/** {@link cgroupMounts} of the text of a mountinfo file, see proc(5). */
export function systemdCgroups(mountinfo: string): string[] {
  return mountinfo.split("\n").flatMap((line) => {
    const [mount = "", filesystem = ""] = line.split(" - ");
    const [type, , options = ""] = filesystem.split(" ");
    const isSystemds =
      type === "cgroup2" || (type === "cgroup" && options.split(",").includes("name=systemd"));
    return isSystemds ? [mount.split(" ")[4]!] : [];
  });
}

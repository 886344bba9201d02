import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync } from "node:fs";
import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rm,
  rmdir,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { equipApt, equipResolver } from "./apt";
import { baseLayers } from "./base";
import { run, until } from "./command";
import { ensureKey, learn } from "./keys";
import { cgroupMounts, hasSystemd } from "./machine";
import { mountOverlay, unmount } from "./mounts";
import { hostAddress, linkName, links, machineAddress, makeLink, removeLink } from "./network";
import { paths, type Release } from "./paths";
import { endProcesses } from "./processes";

export interface HostOptions {
  /** Default trixie. */
  release?: Release;
  /** apt's cache in the host already has Prosody's packages, so that no mirror is needed. Default false; fedora: true. */
  prepared?: boolean;
  /**
   * Its disk is in memory: for measurements, because ext4 takes ever longer to make files on an overlay of which many
   * were deleted in the last five minutes. Default false.
   */
  inMemory?: boolean;
  /** `admin` has to give its password (`lab`) to sudo. Default false. */
  sudoPassword?: boolean;
}

/** SHA-512 crypt of the password `lab`, for hosts on this machine's own network alone. */
const labPassword =
  "$6$prosodylab$Mwk5mIknQ3UYJouzbPay/B5gEGLctBkeXrfHgRxCGIaHoyiDCwuRwJGP.bjdhNLuJEymExJfXHoyFebHc8ydO/";

/** Makes the disk of a host that is not there yet: an overlay on the base, with log-ins, keys and network. */
export async function makeDisk(name: string, options: HostOptions): Promise<void> {
  const release = options.release ?? "trixie";
  const layers = await baseLayers(release, options.prepared ?? false);
  if (options.inMemory) {
    await mkdir(paths.host(name), { recursive: true });
    await run("mount", ["-t", "tmpfs", "lab", paths.host(name)]);
  }
  for (const directory of ["upper", "work", "root"])
    await mkdir(paths.host(name, directory), { recursive: true });
  await writeFile(paths.host(name, "layers"), layers.join(":"));
  await mountDisk(name);
  const root = paths.host(name, "root");
  await (release === "fedora" ? equipResolver(root) : equipApt(root));
  await equipLogins(root, release === "fedora" ? "wheel" : "sudo", options.sudoPassword ?? false);
  await equipKeys(root, name);
  await writeFile(join(root, "etc/hostname"), `${name}\n`);
  await writeFile(join(root, "etc/hosts"), `127.0.0.1 localhost\n127.0.1.1 ${name}\n::1 localhost\n`);
  await writeFile(join(root, "etc/machine-id"), `${randomBytes(16).toString("hex")}\n`);
  // With libpam-systemd in the host (firewalld brings it), stopping user@0 can block log-ins for two minutes.
  await symlink("/dev/null", join(root, "etc/systemd/system/user@.service"));
  await writeFile(paths.host(name, "release"), `${release}\n`); // last: a disk without it is half-made
}

async function mountDisk(name: string): Promise<void> {
  const layers = (await readFile(paths.host(name, "layers"), "utf8")).split(":");
  await mountOverlay(layers, paths.host(name, "upper"), paths.host(name, "work"), paths.host(name, "root"));
}

export async function equipLogins(root: string, group: string, sudoPassword: boolean): Promise<void> {
  const publicKey = await ensureKey(paths.clientKey());
  await run("chroot", [
    root,
    "useradd",
    "--create-home",
    "--shell=/bin/bash",
    `--groups=${group}`,
    `--password=${labPassword}`,
    "admin",
  ]);
  for (const [home, owner] of [
    ["root", "root"],
    ["home/admin", "admin"],
  ] as const) {
    await mkdir(join(root, home, ".ssh"), { recursive: true, mode: 0o700 });
    await writeFile(join(root, home, ".ssh/authorized_keys"), `${publicKey} lab\n`, { mode: 0o600 });
    await run("chroot", [root, "chown", "-R", `${owner}:`, `/${home}/.ssh`]);
  }
  // The distribution's own rule for the group asks for the password.
  if (!sudoPassword)
    await writeFile(join(root, "etc/sudoers.d/lab"), "admin ALL=(ALL:ALL) NOPASSWD: ALL\n", { mode: 0o440 });
}

/** One host key of each type would do; one alone is easier to pin. */
export async function equipKeys(root: string, name: string): Promise<void> {
  await ensureKey(paths.hostKey(name));
  const directory = join(root, "etc/ssh");
  for (const file of await readdir(directory))
    if (file.startsWith("ssh_host_")) await rm(join(directory, file));
  for (const suffix of ["", ".pub"]) {
    const file = join(directory, `ssh_host_ed25519_key${suffix}`);
    await copyFile(paths.hostKey(name) + suffix, file);
    await chmod(file, suffix ? 0o644 : 0o600);
  }
}

interface Network {
  device: string;
  address: string;
  gateway: string;
  /** A unit that has to come first. */
  after?: string;
}

/** The unit that sets a host's address, since nothing in its network serves any. */
export async function equipNetwork(root: string, network: Network): Promise<void> {
  const { device, address, gateway, after = "" } = network;
  const unit = `[Unit]
Description=Address in the lab
DefaultDependencies=no
After=${after}
Wants=${after}
Before=network-pre.target network.target network-online.target ssh.service
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip address replace ${address}/24 dev ${device}
ExecStart=/usr/sbin/ip link set ${device} up
ExecStart=/usr/sbin/ip route replace default via ${gateway}

[Install]
WantedBy=sysinit.target
`;
  const directory = join(root, "etc/systemd/system");
  await mkdir(join(directory, "sysinit.target.wants"), { recursive: true });
  await writeFile(join(directory, "lab-network.service"), unit);
  const enabled = join(directory, "sysinit.target.wants/lab-network.service");
  await rm(enabled, { force: true });
  await symlink("../lab-network.service", enabled);
}

/** Boots a host whose disk is made; done when its sshd greets, see {@link awaitGreeting}. */
export async function boot(name: string): Promise<void> {
  const root = paths.host(name, "root");
  await endProcesses(paths.host(name));
  await unmount(root);
  await mountDisk(name);
  const number = await makeLink(name);
  const network = { device: "host0", address: hostAddress(number), gateway: machineAddress(number) };
  await equipNetwork(root, network);
  await learn(hostAddress(number), await ensureKey(paths.hostKey(name)));
  await writeFile(paths.host(name, "address"), `${hostAddress(number)}\n`);
  await awaitGreeting(name, await startNspawn(name, number));
}

/** @throws Error with the last lines of the host's console when its sshd does not greet within 60 s. */
export async function awaitGreeting(name: string, hasEnded = () => false): Promise<void> {
  const address = (await readFile(paths.host(name, "address"), "utf8")).trim();
  await until(
    async () => {
      if (hasEnded()) throw new Error(`Host ${name} ended while it was booting.${await consoleEnd(name)}`);
      return (await greets(address)) ? true : undefined;
    },
    60,
    () => `Host ${name} (${address}) has no sshd after 60 s; its console: ${paths.host(name, "console")}`,
  );
}

/** Starts nspawn so that it outlives this process. Returns whether it has ended since. */
async function startNspawn(name: string, number: number): Promise<() => boolean> {
  const nspawn = [
    "systemd-nspawn",
    `--directory=${paths.host(name, "root")}`,
    "--boot",
    "--quiet",
    `--machine=${linkName(number)}`,
    `--hostname=${name}`,
    `--network-bridge=${linkName(number)}`,
    "--capability=all",
    "--resolv-conf=off",
    "--timezone=off",
    "--link-journal=no",
    "--settings=no",
    "--console=pipe",
    "--register=no",
  ];
  const console = openSync(paths.host(name, "console"), "w");
  const [command, ...args] = hasSystemd() ? nspawn : await inOwnCgroup([...nspawn, "--keep-unit"], number);
  const child = spawn(command!, args, { detached: true, stdio: ["ignore", console, console] });
  closeSync(console);
  let ended = false;
  child.on("exit", () => {
    ended = true;
  });
  child.on("error", () => {
    ended = true;
  });
  child.unref();
  return () => ended;
}

/**
 * What systemd would do for nspawn on a machine that has it: give it a cgroup of its own, and start it again when
 * the host reboots (133). If hosts shared a cgroup, systemd in each would wait for the processes of the others
 * whenever it stops a unit.
 */
async function inOwnCgroup(command: string[], number: number): Promise<string[]> {
  const files: string[] = [];
  for (const directory of cgroupsOf(number)) {
    await mkdir(directory, { recursive: true });
    files.push(join(directory, "cgroup.procs"));
  }
  const enter = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 1; shift; done; shift; exec "$@"';
  const script = 'enter=$1; shift; while sh -c "$enter" sh "$@"; [ $? = 133 ]; do :; done';
  return ["sh", "-c", script, "sh", enter, ...files, "--", ...command];
}

const cgroupsOf = (number: number) =>
  cgroupMounts().map((mount) => join(mount, "prosody-lab", String(number)));

/** Waits a little where need be: a process that has ended leaves its cgroup a moment later. */
async function removeCgroups(number: number): Promise<void> {
  const remove = async (directory: string): Promise<void> => {
    for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => []))
      if (entry.isDirectory()) await remove(join(directory, entry.name));
    await rmdir(directory).catch(() => undefined);
  };
  for (const directory of cgroupsOf(number)) {
    await until(
      async () => {
        await remove(directory);
        return existsSync(directory) ? undefined : true;
      },
      10,
      () => `There are still processes in ${directory}.`,
    );
    await rmdir(dirname(directory)).catch(() => undefined); // succeeds for the last one
  }
}

async function consoleEnd(name: string): Promise<string> {
  const text = await readFile(paths.host(name, "console"), "utf8").catch(() => "");
  return text.trim() ? `\n${text.trimEnd().split("\n").slice(-8).join("\n")}` : "";
}

/** Whether an SSH server greets there. */
export function greets(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 22 });
    const finish = (isThere: boolean) => {
      socket.destroy();
      resolve(isThere);
    };
    socket.setTimeout(500, () => finish(false));
    socket.once("data", (data) => finish(data.toString("latin1").startsWith("SSH-")));
    socket.once("error", () => finish(false));
    socket.once("close", () => finish(false));
  });
}

/** Removes a host and everything that was made for it, whatever state it is in. */
export async function removeHost(name: string): Promise<void> {
  const directory = paths.host(name);
  await endProcesses(directory);
  await removeNspawnLock(paths.host(name, "root"));
  await unmount(directory);
  for (const link of links().filter(({ owner }) => owner === directory)) {
    await removeCgroups(link.number);
    await rm(`/run/systemd/nspawn/propagate/${link.name}`, { recursive: true, force: true });
    await removeLink(link); // last: from then on, the number may be another host's
  }
  await rm(directory, { recursive: true, force: true });
}

/** nspawn leaves its lock on a root file system, named by inode, when it is killed. */
async function removeNspawnLock(root: string): Promise<void> {
  const status = await stat(root).catch(() => undefined);
  if (status) await rm(`/run/systemd/nspawn/locks/inode-${status.dev}:${status.ino}`, { force: true });
}

export const isDiskMade = (name: string) => existsSync(paths.host(name, "release"));

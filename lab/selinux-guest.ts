import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { equipApt } from "./apt";
import { baseLayers, ensureLayer } from "./base";
import { run, say, sayNowAndThen, until } from "./command";
import { equipKeys, equipLogins, equipNetwork } from "./host";
import { ensureKey } from "./keys";
import { mountOverlay, unmount } from "./mounts";
import { paths } from "./paths";
import { sshOptions } from "./ssh";

/**
 * A Debian 13 whose own kernel enforces SELinux, which no container can have: a virtual machine, emulated without
 * KVM, so that it runs wherever the lab does. Slow (a minute to SSH) and only for what needs it.
 */
export interface SelinuxGuest {
  /** Where SSH and the forwarded ports are. */
  address: string;
  sshPort: number;
  /** Port of this machine → the guest's port of the same number. */
  forwarded: number[];
  hostKey: string;
  privateKeyFile: string;
  /** Runs a shell script as root over SSH and returns its output. */
  exec(script: string): Promise<string>;
  /** Ends it; its disk is as new the next time. */
  end(): Promise<void>;
}

const name = "selinux-guest";

/** The guest's own programs: what the stack would install, so that nothing is downloaded by an emulated processor. */
const packages =
  "linux-image-cloud-amd64 udev kmod selinux-policy-default policycoreutils policycoreutils-python-utils " +
  "selinux-utils netbase prosody prosody-modules lua-unbound ssl-cert openssl certbot curl pebble";

const command = `-machine q35 -cpu Nehalem -smp 2 -m 768 -nographic -no-reboot -monitor none
-kernel /guest/vmlinuz -append root=/dev/nvme0n1\\ rw\\ security=selinux\\ enforcing=1\\ net.ifnames=0\\ console=ttyS0\\ loglevel=3
-drive file=/guest/disk,format=raw,if=none,id=disk,snapshot=on -device nvme,serial=disk,drive=disk
-device virtio-net-pci,netdev=net -device virtio-rng-pci`;

/**
 * Boots it; makes its image when there is none (three minutes, once in two weeks).
 * @param forward ports of the guest that this machine is to have, too
 */
export async function bootSelinuxGuest(forward: number[]): Promise<SelinuxGuest> {
  const emulator = await ensureLayer(
    "trixie-qemu",
    "qemu-system-x86",
    "Installing QEMU for the lab",
    makeEmulator,
  );
  const image = await ensureLayer(name, `${packages} 1`, "Making the disk of the SELinux guest", makeImage);
  const sshPort = await freePort();
  const directory = paths.guest();
  const [root, upper, work] = ["root", "upper", "work"].map((part) => join(directory, part)) as [
    string,
    string,
    string,
  ];
  await unmount(root);
  await rm(directory, { recursive: true, force: true });
  for (const part of [root, upper, work]) await mkdir(part, { recursive: true });
  const [base] = (await baseLayers("trixie", false)) as [string];
  await mountOverlay([emulator, base], upper, work, root);
  for (const file of ["disk", "vmlinuz"]) await bind(join(image, file), join(root, "guest", file));
  for (const device of ["null", "urandom", "zero"]) await bind(`/dev/${device}`, join(root, "dev", device));
  const forwards = [[sshPort, 22], ...forward.map((port) => [port, port])];
  const network = [
    "user",
    "id=net",
    ...forwards.map(([here, there]) => `hostfwd=tcp:127.0.0.1:${here}-:${there}`),
  ];
  const console = openSync(join(directory, "console"), "w");
  const words = command.match(/(?:\\.|\S)+/g)!.map((word) => word.replaceAll("\\ ", " "));
  const emulate = ["chroot", root, "qemu-system-x86_64", ...words, "-netdev", network.join(",")];
  // It ends with this process, however that ends.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...emulate], {
    stdio: ["ignore", console, console],
  });
  closeSync(console);
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const end = async () => {
    child.kill();
    await ended;
    await unmount(directory);
    await rm(directory, { recursive: true, force: true });
  };
  const guest: SelinuxGuest = {
    address: "127.0.0.1",
    sshPort,
    forwarded: forward,
    hostKey: await ensureKey(paths.hostKey(name)),
    privateKeyFile: paths.clientKey(),
    exec: (script) => execute(sshPort, directory, script),
    end,
  };
  await writeFile(join(directory, "known_hosts"), `[127.0.0.1]:${sshPort} ${guest.hostKey}\n`);
  try {
    await until(
      async () => {
        if (child.exitCode !== null) throw new Error("QEMU ended.");
        return (await guest.exec("true").catch(() => undefined)) === undefined ? undefined : true;
      },
      300,
      () => "it has no SSH after 300 s",
      1000,
    );
    return guest;
  } catch (error) {
    const last = (await readFile(join(directory, "console"), "utf8")).split("\n").slice(-15).join("\n");
    await end();
    throw new Error(`The SELinux guest does not come up: ${(error as Error).message}\n${last}`);
  }
}

async function bind(from: string, to: string): Promise<void> {
  await mkdir(join(to, ".."), { recursive: true });
  await writeFile(to, "");
  await run("mount", ["--bind", from, to]);
}

async function execute(port: number, directory: string, script: string): Promise<string> {
  const options = sshOptions(join(directory, "known_hosts"));
  return (await run("ssh", [...options, "-p", String(port), "root@127.0.0.1", script])).stdout;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** Debian 12's QEMU crashes on the way; Debian 13's works on any machine, in a tree of its own. */
async function makeEmulator(layer: string): Promise<void> {
  const [base] = (await baseLayers("trixie", false)) as [string];
  await withTree([base], layer, async (root) => {
    await install(root, "qemu-system-x86");
    await run("chroot", [root, "apt-get", "clean"]);
  });
}

/** The disk, with every file labelled, and the kernel beside it. */
async function makeImage(directory: string): Promise<void> {
  const work = `${directory}.root`; // ensureLayer takes it away after a crash
  const layers = await baseLayers("trixie", true);
  const upper = join(directory, "upper");
  await withTree(layers, upper, async (root) => {
    await install(root, packages);
    await equipLogins(root, "sudo", false);
    await equipKeys(root, name);
    await equip(root);
    await run("chroot", [root, "apt-get", "clean"]);
    say("  Copying and labelling files");
    await run("cp", ["-a", `${root}/.`, work]);
  });
  for (const file of await readdir(join(work, "boot")))
    if (file.startsWith("vmlinuz")) await copyFile(join(work, "boot", file), join(directory, "vmlinuz"));
  const contexts = "/etc/selinux/default/contexts/files/file_contexts";
  const excluded = ["/proc", "/sys", "/dev"].flatMap((each) => ["-e", each]);
  await run("chroot", [work, "setfiles", "-F", "-m", ...excluded, contexts, "/"]);
  await run("mkfs.ext4", ["-q", "-d", work, join(directory, "disk"), "3G"]);
  await rm(work, { recursive: true, force: true });
  await rm(upper, { recursive: true, force: true });
}

async function withTree(
  layers: string[],
  upper: string,
  body: (root: string) => Promise<void>,
): Promise<void> {
  const [root, work] = [`${upper}.root`, `${upper}.work`];
  for (const directory of [upper, root, work]) await mkdir(directory, { recursive: true });
  await mountOverlay(layers, upper, work, root);
  try {
    await equipApt(root);
    await body(root);
  } finally {
    await unmount(root);
    for (const directory of [root, work]) await rm(directory, { recursive: true, force: true });
  }
}

async function install(root: string, names: string): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" };
  const apt = (...args: string[]) =>
    run("chroot", [root, "apt-get", "-q", "-y", ...args], { env, onLine: sayNowAndThen("  ") });
  await writeFile(join(root, "usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n", { mode: 0o755 }); // start nothing
  await apt("update");
  await apt("--no-install-recommends", "install", ...names.split(" "));
  await rm(join(root, "usr/sbin/policy-rc.d"));
}

/** Network of QEMU's user mode, which needs no rights on this machine, and an enforcing policy. */
async function equip(root: string): Promise<void> {
  const network = { device: "eth0", address: "10.0.2.15", gateway: "10.0.2.2" };
  await equipNetwork(root, { ...network, after: "systemd-udev-settle.service" });
  await symlink("/dev/null", join(root, "etc/systemd/system/user@.service"));
  await writeFile(join(root, "etc/hostname"), `${name}\n`);
  await writeFile(join(root, "etc/hosts"), `127.0.0.1 localhost\n127.0.1.1 ${name}\n`);
  await writeFile(join(root, "etc/fstab"), "/dev/nvme0n1 / ext4 defaults 0 1\n");
  await writeFile(join(root, "etc/selinux/config"), "SELINUX=enforcing\nSELINUXTYPE=default\n");
}

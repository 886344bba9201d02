import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { down, list, sshArguments, up } from "../../lab";
import { run } from "../../lab/command";
import { cgroupMounts } from "../../lab/machine";
import { mountsBelow } from "../../lab/mounts";
import { links } from "../../lab/network";
import { cacheDirectory, labDirectory, paths } from "../../lab/paths";
import { type LabProcess, labProcesses } from "../../lab/processes";
import { main } from "../../tools/lab";

/**
 * A lab of its own, so that `down` without names can be tried; it shares the cached base trees. It stays chosen to
 * the end of the process: a test that goes on after its time limit must not get at another lab.
 */
const directory = `/var/tmp/prosody-lab-${process.pid}`;
process.env.PROSODY_LAB_DIR = directory;

beforeAll(() => {
  mkdirSync(directory);
  const base = join(cacheDirectory(), "lab/base");
  mkdirSync(base, { recursive: true });
  symlinkSync(base, join(directory, "base"));
  expect(labDirectory()).toBe(directory);
});
afterAll(async () => {
  await down();
  rmSync(directory, { recursive: true });
}, 60_000);

const processes = () => labProcesses().filter(({ host }) => host.startsWith(`${directory}/`));
const ownLinks = () => links().filter(({ owner }) => owner.startsWith(`${directory}/`));
/** Kills every process of the role, and waits until they are gone: a signal is delivered at the kernel's own time. */
async function kill(role: LabProcess["role"]) {
  const killed = new Set(
    processes()
      .filter((each) => each.role === role)
      .map(({ pid }) => pid),
  );
  for (const pid of killed) process.kill(pid, "SIGKILL");
  while (processes().some(({ pid }) => killed.has(pid)))
    await new Promise((resolve) => setTimeout(resolve, 20));
}
const cgroups = (number: number) =>
  cgroupMounts()
    .map((mount) => join(mount, "prosody-lab", String(number)))
    .filter((group) => existsSync(group));

/** What is on the machine because of this lab. */
function traces() {
  return {
    processes: processes(),
    mounts: mountsBelow(directory),
    links: ownLinks(),
    hosts: existsSync(paths.hosts()) ? execFileSync("ls", [paths.hosts()], { encoding: "utf8" }) : "",
  };
}
const none = { processes: [], mounts: [], links: [], hosts: "" };

async function ssh(user: string, name: string, script: string) {
  const { code, stdout, stderr } = await run("ssh", [...(await sshArguments(name, user)), script], {
    accept: "any",
  });
  return { code, output: (stdout + stderr).trim() };
}

test("two hosts at once, with both releases, real systemd and log-ins", async () => {
  const started = Date.now();
  const [one, two] = await Promise.all([
    up("one", { release: "trixie" }),
    up("two", { release: "bookworm", sudoPassword: true }),
  ]);
  process.stderr.write(`two lab hosts at once: ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
  expect(one!.address).not.toBe(two!.address);
  expect(one!.address).toMatch(/^10\.77\.\d+\.2$/);
  expect(one!.hostKey).not.toBe(two!.hostKey);
  expect(readFileSync(one!.knownHosts, "utf8")).toContain(`${one!.address} ${one!.hostKey}\n`);
  expect(await one!.exec("cat /proc/1/comm; hostname; . /etc/os-release; echo $VERSION_CODENAME")).toBe(
    "systemd\none\ntrixie\n",
  );
  expect(await two!.exec(". /etc/os-release; echo $VERSION_CODENAME")).toBe("bookworm\n");
  expect(await ssh("admin", "one", "sudo -n id -un")).toEqual({ code: 0, output: "root" });
  expect(await ssh("admin", "two", "sudo -n id -un")).toEqual({
    code: 1,
    output: expect.stringContaining("a password is required"),
  });
  expect(await ssh("admin", "two", "echo lab | sudo -S -p '' id -un")).toEqual({ code: 0, output: "root" });
  expect(await list()).toEqual([
    { name: "one", release: "trixie", address: one!.address, state: "running" },
    { name: "two", release: "bookworm", address: two!.address, state: "running" },
  ]);
}, 600_000);

test("each host's units are in a cgroup of its own", async () => {
  const groups = processes()
    .filter(({ role }) => role === "init")
    .map(({ pid }) => readFileSync(`/proc/${pid}/cgroup`, "utf8"));
  expect(new Set(groups).size).toBe(2);
}, 60_000);

test("exec gives output, or an error with exit code and message; on the command line the exit code", async () => {
  const one = await up("one");
  expect(await one.exec("printf 'a\\nb'")).toBe("a\nb");
  await expect(one.exec("echo no >&2; exit 7")).rejects.toThrow(
    "On lab host one: echo no >&2; exit 7: exit code 7\nno",
  );
  expect(await main(["exec", "one", "--", "exit 7"])).toBe(7);
  expect(await main(["exec", "one", "--", "test", "a b", "=", "a b"])).toBe(0);
  expect(await main(["exec", "one", "--", "test", "$HOME", "=", "/root"])).toBe(1);
  await expect(main(["exec", "three", "--", "true"])).rejects.toThrow(
    /^Host three is not there\. Running: one.*\. To have it: `npm run lab -- up three`\.$/,
  );
}, 60_000);

test("apt in a host reaches the mirror", async () => {
  const one = await up("one");
  await one.exec("apt-get -q update -o APT::Update::Error-Mode=any 2>&1"); // a mirror out of reach is an error
  expect(await one.exec("apt-cache policy prosody")).toMatch(/Candidate: 13\./);
}, 120_000);

test("up leaves a running host as it is, and refuses to change its release", async () => {
  const one = await up("one");
  const boot = await one.exec("cat /proc/sys/kernel/random/boot_id; stat -c %Z /proc/1");
  expect(
    await (await up("one", { release: "trixie" })).exec(
      "cat /proc/sys/kernel/random/boot_id; stat -c %Z /proc/1",
    ),
  ).toBe(boot);
  await expect(up("one", { release: "bookworm" })).rejects.toThrow(
    "Host one exists with trixie; to have it with bookworm, run `npm run lab -- down one` first.",
  );
}, 60_000);

test("a host comes back with its disk and address after a reboot and after a crash", async () => {
  const one = await up("one");
  await one.exec("echo kept > /root/kept");
  const before = await one.exec("stat -c %Z /proc/1");
  await one.exec("systemctl --no-block reboot");
  const deadline = Date.now() + 30_000;
  while ((await one.exec("stat -c %Z /proc/1; cat /root/kept").catch(() => before)).startsWith(before)) {
    if (Date.now() > deadline) throw new Error("The host does not come back from a reboot within 30 s.");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(await one.exec("cat /root/kept")).toBe("kept\n");

  await kill("init");
  while (processes().length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await list()).map(({ state }) => state)).toEqual(["stopped", "stopped"]);
  const again = await up("one");
  expect(again.address).toBe(one.address);
  expect(await again.exec("cat /root/kept")).toBe("kept\n");
  await up("two");
}, 90_000);

test("down removes one host and leaves the other", async () => {
  const numbers = ownLinks().map(({ number }) => number);
  await down("two");
  expect((await list()).map(({ name, state }) => `${name} ${state}`)).toEqual(["one running"]);
  expect(ownLinks()).toHaveLength(1);
  const [gone] = numbers.filter((number) => number !== ownLinks()[0]!.number);
  expect(cgroups(gone!)).toEqual([]);
  await down("two"); // it may be gone already
}, 60_000);

test("down removes what crashes left behind", async () => {
  await up("two");
  const numbers = ownLinks().map(({ number }) => number);
  await kill("nspawn"); // leaves the host's first process and all others in it
  expect(processes().map(({ role }) => role)).toEqual(["init", "init"]);
  rmSync(paths.host("two", "address"));
  mkdirSync(paths.host("three", "upper"), { recursive: true }); // an `up` that was killed half-way
  expect((await list()).map(({ name, state }) => `${name} ${state}`)).toEqual([
    "one running",
    "three half-made",
    "two running",
  ]);
  await down();
  expect(traces()).toEqual(none);
  expect(numbers.flatMap(cgroups)).toEqual([]);
  if (links().length === 0) {
    const { stdout } = await run("nft", ["list", "tables"]);
    expect(stdout).not.toContain("prosody_lab");
  }
}, 60_000);

test("an up that was killed half-way is done again from the start", async () => {
  await up("half");
  await kill("init");
  while (processes().length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  rmSync(paths.host("half", "release")); // written when the disk is made
  const half = await up("half");
  expect(await half.exec("echo up")).toBe("up\n");
  await down();
  expect(traces()).toEqual(none);
}, 60_000);

test("a prepared host installs Prosody without the mirror", async () => {
  const host = await up("prepared", { prepared: true });
  await host.exec("ip route del default");
  expect(
    await host.exec("DEBIAN_FRONTEND=noninteractive apt-get -y install prosody prosody-modules 2>&1"),
  ).toMatch(/Need to get 0 B/);
  await down("prepared");
}, 600_000);

test("a host like Fedora has dnf with a repository of its own, the group wheel, and neither apt nor dpkg", async () => {
  const host = await up("fedora", { release: "fedora" });
  await host.exec("ip route del default");
  expect(await host.exec("dnf -y install prosody firewalld policycoreutils-python-utils 2>&1")).toContain(
    "Complete!",
  );
  expect(
    await host.exec(
      "rpm -q prosody; systemctl is-active prosody || true; systemctl is-enabled prosody || true; " +
        "stat -c '%a %U:%G' /etc/prosody; readlink /etc/prosody/certs; ls -d /usr/lib64/prosody; id -nG admin; " +
        "systemctl start firewalld && firewall-cmd --state; command -v apt-get dpkg || echo neither",
    ),
  ).toMatch(
    /^prosody-13\.\S+\.fc42\.\S+\ninactive\ndisabled\n750 root:prosody\n\.\.\/pki\/prosody\n\/usr\/lib64\/prosody\nadmin wheel\nrunning\nneither\n$/,
  );
  await down("fedora");
}, 600_000);

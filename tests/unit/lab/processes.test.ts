import { systemdCgroups } from "../../../lab/machine";
import { mountsBelow } from "../../../lab/mounts";
import { isFirst, nspawnOf, rootOf } from "../../../lab/processes";

const commandLine = (...words: string[]) => words.map((word) => `${word}\0`).join("");

describe("a process is ours", () => {
  test("when it is an nspawn whose command line names the host's root", () => {
    const args = ["--directory=/cache/lab/hosts/dev/root", "--boot"];
    expect(nspawnOf(commandLine("/usr/bin/systemd-nspawn", ...args))).toBe("/cache/lab/hosts/dev");
    expect(nspawnOf(commandLine("systemd-nspawn", "--directory=/var/lib/machines/dev"))).toBeUndefined();
    expect(nspawnOf(commandLine("grep", ...args))).toBeUndefined();
    expect(nspawnOf(commandLine("sh", "-c", `systemd-nspawn ${args[0]}`))).toBeUndefined();
    expect(nspawnOf("")).toBeUndefined();
  });

  test("when it is the first of its PID namespace on the host's overlay", () => {
    expect(isFirst("Name:\tsystemd\nNSpid:\t15092\t1\nThreads:\t1\n")).toBe(true);
    expect(isFirst("NSpid:\t15093\t2\n")).toBe(false);
    expect(isFirst("NSpid:\t1\n")).toBe(false); // this machine's own
    expect(isFirst("NSpid:\t15092\t11\n")).toBe(false);
  });

  test("by the upper directory of its root, not of another mount", () => {
    const overlay = (target: string, upper: string) =>
      `265 227 0:53 / ${target} rw,relatime shared:1 - overlay overlay rw,lowerdir=/b/hosts/x/upper,upperdir=${upper},workdir=/w\n`;
    const ours = "/cache/lab/hosts/dev/upper";
    expect(rootOf(overlay("/proc", ours) + overlay("/", ours))).toBe("/cache/lab/hosts/dev");
    expect(rootOf(overlay("/mnt", ours) + overlay("/", "/var/lib/docker/overlay2/1/diff"))).toBeUndefined();
    expect(rootOf("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n")).toBeUndefined();
    expect(rootOf("")).toBeUndefined();
  });
});

test("mounts at or below a directory, innermost first", () => {
  const mountinfo = ["/", "/lab/hosts/dev/root", "/lab/hosts/dev/root/proc", "/lab/hosts/dev2/root", "/lab"]
    .map((target, index) => `${index} 0 0:1 / ${target} rw - ext4 x rw\n`)
    .join("");
  expect(mountsBelow("/lab/hosts/dev", mountinfo)).toEqual([
    "/lab/hosts/dev/root/proc",
    "/lab/hosts/dev/root",
  ]);
});

test("the cgroup hierarchies of systemd, in version 2, 1 and hybrid", () => {
  const line = (target: string, type: string, options: string) =>
    `30 24 0:26 / ${target} rw shared:4 - ${type} cgroup ${options}\n`;
  const memory = line("/sys/fs/cgroup/memory", "cgroup", "rw,memory");
  const named = line("/sys/fs/cgroup/systemd", "cgroup", "rw,xattr,name=systemd");
  const unified = line("/sys/fs/cgroup/unified", "cgroup2", "rw,nsdelegate");
  expect(systemdCgroups(memory + named)).toEqual(["/sys/fs/cgroup/systemd"]);
  expect(systemdCgroups(memory + named + unified)).toEqual([
    "/sys/fs/cgroup/systemd",
    "/sys/fs/cgroup/unified",
  ]);
  expect(systemdCgroups(line("/sys/fs/cgroup", "cgroup2", "rw"))).toEqual(["/sys/fs/cgroup"]);
});

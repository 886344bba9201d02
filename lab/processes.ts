import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { until } from "./command";

/**
 * Processes are told by what the kernel says of them, never by a pid noted earlier: nspawn by its command line,
 * the first process of a host by its root file system. So a pid that was used again can't be taken for ours, and
 * what a crash left behind is found.
 */
export interface LabProcess {
  pid: number;
  role: "nspawn" | "init";
  /** Directory of the host, see paths.host. */
  host: string;
}

export function labProcesses(): LabProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid): LabProcess[] => {
      const host = nspawnOf(read(pid, "cmdline"));
      if (host) return [{ pid: Number(pid), role: "nspawn", host }];
      if (!isFirst(read(pid, "status"))) return [];
      const root = rootOf(read(pid, "mountinfo"));
      return root ? [{ pid: Number(pid), role: "init", host: root }] : [];
    });
}

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return ""; // ended in the meantime
  }
}

/** The host that a command line of nspawn is for. */
export function nspawnOf(cmdline: string): string | undefined {
  const [program, ...args] = cmdline.split("\0");
  if (basename(program ?? "") !== "systemd-nspawn") return undefined;
  return /^--directory=(.*\/hosts\/[^/]+)\/root$/.exec(
    args.find((arg) => arg.startsWith("--directory=")) ?? "",
  )?.[1];
}

/** Whether /proc/PID/status is that of the first process of a PID namespace within ours. */
export function isFirst(status: string): boolean {
  return /^NSpid:\t\d+(\t\d+)*\t1$/m.test(status);
}

/** The host whose overlay is the root file system of a /proc/PID/mountinfo. */
export function rootOf(mountinfo: string): string | undefined {
  const root = mountinfo.split("\n").find((line) => line.split(" ")[4] === "/");
  return /[ ,]upperdir=([^, ]*\/hosts\/[^/, ]+)\/upper(,|$)/.exec(root ?? "")?.[1];
}

/**
 * Ends a host's processes at once. Its first process goes first: all others in the host go with it, and nspawn
 * then cleans up behind itself. (A TERM to nspawn can hang for more than a minute.)
 */
export async function endProcesses(host: string): Promise<void> {
  const ours = (role?: LabProcess["role"]) =>
    labProcesses().filter((process) => process.host === host && (!role || process.role === role));
  const kill = (processes: LabProcess[]) => {
    for (const { pid } of processes)
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // ended in the meantime
      }
  };
  const gone = () => (ours().length === 0 ? true : undefined);
  const expired = () =>
    `Processes of ${host} don't end: ${ours().map((process) => `${process.role} ${process.pid}`)}.`;
  if (gone()) return;
  kill(ours("init"));
  await until(gone, 2, expired).catch(() => kill(ours()));
  await until(gone, 20, expired);
}

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { run } from "./command";
import { paths } from "./paths";

/**
 * Each host has its own bridge on this machine (10.77.N.1) with nothing but the host (10.77.N.2) on it; a bridge
 * rather than a bare pair, because it keeps its address while the host reboots. Its `alias` names the host's
 * directory: so a bridge that was left behind tells whose it is.
 */
const prefix = "pplab";
const table = "prosody_lab";
const forwarding = "/proc/sys/net/ipv4/ip_forward";

export interface Link {
  number: number;
  name: string;
  /** Directory of the host that it belongs to. */
  owner: string;
}

/** The bridge's name, which is the name of nspawn's machine too. */
export const linkName = (number: number) => `${prefix}${number}`;
export const hostAddress = (number: number) => `10.77.${number}.2`;
export const machineAddress = (number: number) => `10.77.${number}.1`;

/** Bridges of all labs on this machine. */
export function links(): Link[] {
  return readdirSync("/sys/class/net").flatMap((name) => {
    const match = /^pplab(\d+)$/.exec(name);
    if (!match) return [];
    return [{ number: Number(match[1]), name, owner: aliasOf(name) }];
  });
}

function aliasOf(name: string): string {
  try {
    return readFileSync(`/sys/class/net/${name}/ifalias`, "utf8").trim();
  } catch {
    return ""; // gone in the meantime
  }
}

/** The numbers to try for a host: 1 for the host `dev`, whose address can so stand in a file; others from 2. */
export function candidates(host: string, taken: number[]): number[] {
  if (host === "dev") return [1];
  return Array.from({ length: 253 }, (_, index) => index + 2).filter((number) => !taken.includes(number));
}

/**
 * Makes the host's bridge. The making of it claims the number: it fails if another process was quicker.
 * @throws Error when no number is free, or `dev` is up in another lab of this machine.
 */
export async function makeLink(host: string): Promise<number> {
  const owner = paths.host(host);
  const existing = links().find((link) => link.owner === owner);
  if (existing) return existing.number;
  for (const number of candidates(
    host,
    links().map((link) => link.number),
  )) {
    const name = linkName(number);
    const made = await run("ip", ["link", "add", name, "type", "bridge"], { accept: "any" });
    if (made.code !== 0 && /File exists/.test(made.stderr)) continue;
    if (made.code !== 0) throw new Error(`ip link add ${name} type bridge: ${made.stderr.trim()}`);
    await run("ip", ["link", "set", name, "alias", owner, "up"]);
    await run("ip", ["address", "add", `${machineAddress(number)}/24`, "dev", name]);
    return number;
  }
  const others = links().map((link) => `${link.name} of ${link.owner || "unknown"}`);
  throw new Error(
    `No address of the lab is free for host ${host}: ${others.join(", ")}. Take some hosts down.`,
  );
}

export async function removeLink(link: Link): Promise<void> {
  await run("ip", ["link", "delete", link.name], { accept: "any" });
}

/** Lets hosts reach what this machine reaches: apt's mirrors above all. */
export async function allowOut(): Promise<void> {
  if ((await readFile(forwarding, "utf8")).trim() === "0") {
    await writeFile(forwarding, "1");
    await mkdir(paths.lock(""), { recursive: true });
    await writeFile(paths.lock("forwarding-was-off"), "");
  }
  const rules = `table ip ${table} {}
delete table ip ${table}
table ip ${table} {
  chain out {
    type nat hook postrouting priority 100
    ip saddr 10.77.0.0/16 ip daddr != 10.77.0.0/16 masquerade
  }
}
`;
  await run("nft", ["-f", "-"], { input: rules });
}

/** Takes back {@link allowOut}, unless a lab's host is still there. */
export async function forbidOut(): Promise<void> {
  if (links().length > 0) return;
  await run("nft", ["delete", "table", "ip", table], { accept: "any" });
  const mark = paths.lock("forwarding-was-off");
  if (existsSync(mark)) {
    await writeFile(forwarding, "0");
    await rm(mark);
  }
}

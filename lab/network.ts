import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { run } from "./command";
import { withLock } from "./lock";
import { paths } from "./paths";

/**
 * Each host has its own bridge on this machine (10.77.N.1) with nothing but the host (10.77.N.2) on it; a bridge
 * rather than a bare pair, because it keeps its address while the host reboots. Its `alias` names the host's
 * directory: so a bridge that was left behind tells whose it is.
 */
const prefix = "pplab";
const table = "prosody_lab";
const forwarding = "/proc/sys/net/ipv4/ip_forward";

/** What all labs of this machine share, whatever their directories. */
const shared = "/run/prosody-pulumi-lab";
const forwardingWasOff = `${shared}/forwarding-was-off`;
const alone = <T>(body: () => Promise<T>) =>
  withLock(`${shared}/lock`, "Waiting for another process that changes the lab's network.", body);

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
  const all = host === "dev" ? [1] : Array.from({ length: 253 }, (_, index) => index + 2);
  return all.filter((number) => !taken.includes(number));
}

/**
 * Gives a host its bridge, and all hosts the way out to what this machine reaches: apt's mirrors above all.
 * @returns the bridge's number, which is the host's for as long as it exists.
 * @throws Error when no number is free, or `dev` is up in another lab of this machine.
 */
export function makeLink(host: string): Promise<number> {
  const owner = paths.host(host);
  return alone(async () => {
    await allowOut();
    const present = links();
    const existing = present.find((link) => link.owner === owner);
    if (existing) return existing.number;
    const [number] = candidates(
      host,
      present.map((link) => link.number),
    );
    if (number === undefined) {
      const others = present.map((link) => `${link.name} of ${link.owner || "unknown"}`);
      throw new Error(`No address is free for host ${host}: ${others.join(", ")}. Take some hosts down.`);
    }
    const name = linkName(number);
    await run("ip", ["link", "add", name, "type", "bridge"]);
    await run("ip", ["link", "set", name, "alias", owner, "up"]);
    await run("ip", ["address", "add", `${machineAddress(number)}/24`, "dev", name]);
    return number;
  });
}

async function allowOut(): Promise<void> {
  if ((await readFile(forwarding, "utf8")).trim() === "0") {
    await mkdir(shared, { recursive: true });
    await writeFile(forwardingWasOff, "");
    await writeFile(forwarding, "1");
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

/** Removes a host's bridge. */
export async function removeLink(link: Link): Promise<void> {
  await run("ip", ["link", "delete", link.name], { accept: "any" });
}

/** Takes the hosts' way out back, unless a lab of this machine still has a host. */
export function forbidOut(): Promise<void> {
  return alone(async () => {
    if (links().length > 0) return;
    await run("nft", ["delete", "table", "ip", table], { accept: "any" });
    if (!existsSync(forwardingWasOff)) return;
    await writeFile(forwarding, "0");
    await rm(forwardingWasOff);
  });
}

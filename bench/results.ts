import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../config/root";
import type { Machine } from "./machine";

/** What is timed, in the order of a round. `preview` is Ansible's `--check --diff`. */
export const phases = ["first", "nothing", "one", "preview", "destroy"] as const;
export type Phase = (typeof phases)[number];

/** Those of a smoke run. */
export const fewPhases: readonly Phase[] = ["first", "destroy"];

/** Ansible has nothing that removes a server. */
export const peerPhases = ["first", "nothing", "one", "preview"] as const;

const contenders = ["floor", "ours", "peer"] as const;
export type Contender = (typeof contenders)[number];

/** What a run of ours was seen to do, beside its time. */
export interface Effort {
  /** Remote commands of each phase. */
  roundTrips: number;
  /** Most memory that the provider process had, in megabytes (10^6 bytes). */
  providerMegabytes: number;
}

/** Whatever depends on how fast Node.js is. */
interface ByNode {
  /** Its version, as `v24.1.0`. */
  node: string;
}

/** One size, measured in one run: only within it may times be compared. */
export interface Cell extends ByNode {
  /** All hosts together. */
  jids: number;
  hosts: number;
  /** Resources of the engine, of ours and of the floor. */
  resources: number;
  /** Environment of both. */
  engine: Record<string, string>;
  /** Day, ISO 8601. */
  day: string;
  /** Processes that ran or waited for a core, averaged over the run: above the number of cores, times are upper bounds. */
  load: number;
  /** Seconds of each round. */
  times: Record<Contender, Partial<Record<Phase, number[]>>>;
  effort: Partial<Record<Phase, Effort>>;
}

/** Where the time of one phase went, in seconds. */
export interface Profile extends ByNode {
  phase: Phase;
  jids: number;
  parts: Part[];
}

export interface Part {
  name: string;
  seconds: number;
  /** What it can't be less than, see profile.ts. */
  limit: number;
}

/** What clients saw of one kind of change. */
export interface Disruption {
  change: string;
  /** The project made it; else, for comparison, apt or systemctl. */
  byUs: boolean;
  clients: number;
  dropped: number;
  /** Longest time for which the server took no new connection. */
  outage: number;
  /** Longest time that a message between two clients took, in seconds. */
  slowestMessage: number;
}

export interface StartUp extends ByNode {
  /** Seconds from the start of Node.js until the program is loaded and has run: a prebuilt one with no resource. */
  empty: number[];
  /** The same, of ours. */
  ours: number[];
}

export interface Kills {
  jids: number;
  kills: number;
  /** Runs that had ended before they were to be killed. */
  late: number;
  /** Accounts of the stack config that the host or the state lacked after the recovery. */
  lost: number;
  /** Accounts that were there twice, or should not have been. */
  duplicated: number;
  engine: Record<string, string>;
}

/** What the engine's checkpoints cost, in seconds. */
export interface Checkpoints extends ByNode {
  resources: number;
  engine: Record<string, string>;
  first: number;
  destroy: number;
}

/** Everything that `docs/performance.md` is written from. */
export interface Results {
  machine?: Machine;
  cells: Cell[];
  checkpoints: Checkpoints[];
  profiles: Profile[];
  disruptions: Disruption[];
  startUp?: StartUp;
  kills?: Kills;
}

const file = join(root, "bench/results.json");

export const none: Results = { cells: [], checkpoints: [], profiles: [], disruptions: [] };

export function loadResults(): Results {
  return existsSync(file) ? { ...none, ...(JSON.parse(readFileSync(file, "utf8")) as Results) } : none;
}

export function saveResults(results: Results): void {
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
}

/** Takes a newer list over an older one: what has the same key replaces, as a whole; sorted by key. */
export function merge<T>(old: readonly T[], fresh: readonly T[], key: (item: T) => string): T[] {
  const all = new Map([...old, ...fresh].map((item) => [key(item), item]));
  return [...all.values()].sort((a, b) => key(a).localeCompare(key(b), "en", { numeric: true }));
}

export const cellKey = ({ jids, hosts }: Pick<Cell, "jids" | "hosts">): string =>
  `${jids} JIDs, ${hosts} hosts`;

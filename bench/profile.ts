import { settingFor } from "../tools/engine-setting";
import { type BenchHost, blank } from "./hosts";
import { type Interval, type Timed, TimedStack } from "./ours";
import { phases as allPhases, type Part, type Phase, type Profile } from "./results";
import { covered } from "./statistics";

/** Where each phase's time goes, one run each, beside what the same part of the floor takes. */
export async function profile(
  hosts: readonly BenchHost[],
  jids: number,
  phases: readonly Phase[] = allPhases,
): Promise<Profile[]> {
  const engine = settingFor(jids);
  await Promise.all(hosts.map(blank));
  const ours = await TimedStack.ours(hosts, jids, engine);
  const found: [Phase, Timed][] = [];
  let floor: TimedStack | undefined;
  const profiles: Profile[] = [];
  try {
    for (const phase of phases) {
      found.push([phase, await ours.phase(phase)]);
      floor ??= await TimedStack.floor(await ours.resources(), engine);
    }
    for (const [phase, timed] of found)
      profiles.push({
        node: process.version,
        phase,
        jids,
        parts: partition(timed, await floor!.phase(phase)),
      });
  } finally {
    ours.remove();
    floor?.remove();
  }
  return profiles;
}

/**
 * Each moment of a run goes to one part, the first of this list that was under way: so they add up to the whole.
 * The limit of what the engine and Node.js do is what the floor took for it; that of the remote work is the longest
 * command, as if everything else were done beside it.
 */
export function partition(ours: Timed, floor: Timed): Part[] {
  const [own, least] = [spans(ours), spans(floor)];
  const longest = Math.max(0, ...own.remote.map(({ start, end = start }) => end - start)) / 1000;
  const limits: Record<keyof Spans, number> = {
    remote: longest,
    ssh: Math.min(...own.ssh.map(({ start, end = start }) => (end - start) / 1000), Number.POSITIVE_INFINITY),
    provider: covered(least.provider) / 1000,
    program: covered(least.program) / 1000,
  };
  const names: Record<keyof Spans, string> = {
    remote: "remote work",
    ssh: "SSH log-in",
    provider: "start of the provider",
    program: "start of the program",
  };
  const before: Interval[] = [];
  let reached = 0;
  const parts = (["remote", "ssh", "provider", "program"] as const).map((part) => {
    before.push(...own[part]);
    const all = covered(before) / 1000;
    const seconds = all - reached;
    reached = all;
    return { name: names[part], seconds, limit: Number.isFinite(limits[part]) ? limits[part] : 0 };
  });
  const rest = (timed: Timed, spans: Spans) => timed.seconds - covered(Object.values(spans).flat()) / 1000;
  return [...parts, { name: "engine and its calls", seconds: rest(ours, own), limit: rest(floor, least) }];
}

interface Spans {
  remote: Interval[];
  ssh: Interval[];
  provider: Interval[];
  program: Interval[];
}

function spans({ traces }: Timed): Spans {
  const provider = traces.filter(({ role }) => role === "provider");
  const program = traces.filter(({ role }) => role === "program");
  const starts = (all: typeof traces, ...modules: string[]) =>
    all.flatMap(({ start, modules: loaded }) => {
      const end = modules.map((name) => loaded[name]?.end).find((time) => time !== undefined);
      return end === undefined ? [] : [{ start, end }];
    });
  return {
    remote: provider.flatMap(({ commands }) => commands),
    ssh: provider.flatMap(({ connections }) => connections),
    provider: starts(provider, "dispatch", "noop.cjs"),
    program: starts(program, "start.cjs"),
  };
}

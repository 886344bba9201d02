import { say } from "../lab/command";
import { settingFor } from "../tools/engine-setting";
import { type BenchHost, blank } from "./hosts";
import { watchLoad } from "./machine";
import { TimedStack, type Trace } from "./ours";
import { Peer } from "./peer";
import {
  phases as allPhases,
  type Cell,
  type Contender,
  type Effort,
  type Phase,
  peerPhases,
} from "./results";
import { number } from "./table";

/** What is measured of one size. */
interface Size {
  jids: number;
  rounds: number;
  /** Rounds of Ansible; none: it is left out. */
  peerRounds: number;
  /** Default: all. */
  phases?: readonly Phase[];
}

/**
 * Times floor, ours and the peer in turn, round by round, so that whatever else the machine does meanwhile meets all
 * of them. The first rounds of ours also give the number of resources for the floor.
 */
export async function measure(
  hosts: readonly BenchHost[],
  { jids, rounds, peerRounds, phases = allPhases }: Size,
): Promise<Cell> {
  const engine = settingFor(jids);
  const endLoad = watchLoad();
  const times: Cell["times"] = { floor: {}, ours: {}, peer: {} };
  const effort: Cell["effort"] = {};
  const note = (who: Contender, phase: Phase, seconds: number) => {
    times[who][phase] = [...(times[who][phase] ?? []), seconds];
    say(`  ${jids} JIDs, ${hosts.length} hosts: ${who} ${phase} ${number(seconds)} s`);
  };
  const blankAll = () => Promise.all(hosts.map(blank));

  await blankAll();
  const ours = await TimedStack.ours(hosts, jids, engine);
  let others: { floor: TimedStack; peer: Peer; resources: number } | undefined;
  try {
    for (let round = 0; round < rounds; round++) {
      for (const phase of phases) {
        const { seconds, traces } = await ours.phase(phase);
        note("ours", phase, seconds);
        effort[phase] = more(effort[phase], traces);
        others ??= await prepareOthers(ours, hosts, jids, engine);
      }
      for (const phase of phases) note("floor", phase, (await others!.floor.phase(phase)).seconds);
      if (round >= peerRounds) continue;
      await blankAll();
      for (const phase of peerPhases.filter((phase) => phases.includes(phase)))
        note("peer", phase, await others!.peer.phase(phase));
      await blankAll();
    }
  } finally {
    ours.remove();
    others?.floor.remove();
    await others?.peer.remove();
  }
  const day = new Date().toISOString().slice(0, 10);
  const { resources } = others!;
  return {
    node: process.version,
    jids,
    hosts: hosts.length,
    resources,
    engine,
    day,
    load: endLoad(),
    times,
    effort,
  };
}

/** With what the first `up` of ours has made. */
async function prepareOthers(
  ours: TimedStack,
  hosts: readonly BenchHost[],
  jids: number,
  engine: Record<string, string>,
) {
  const resources = await ours.resources();
  const [floor, peer] = [await TimedStack.floor(resources, engine), await Peer.create(hosts, jids)];
  return { floor, peer, resources };
}

/** The most of all rounds. */
function more(before: Effort | undefined, traces: readonly Trace[]): Effort {
  const provider = traces.filter(({ role }) => role === "provider");
  const roundTrips = provider.reduce((sum, { commands }) => sum + commands.length, 0);
  const megabytes = Math.max(0, ...provider.map(({ peakKilobytes }) => (peakKilobytes * 1024) / 1e6));
  return {
    roundTrips: Math.max(before?.roundTrips ?? 0, roundTrips),
    providerMegabytes: Math.max(before?.providerMegabytes ?? 0, megabytes),
  };
}

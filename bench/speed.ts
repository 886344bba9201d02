import { say } from "../lab/command";
import { settingFor } from "../tools/engine-setting";
import { type BenchHost, blank } from "./hosts";
import { watchLoad } from "./machine";
import { TimedStack, type Trace } from "./ours";
import { Peer } from "./peer";
import { type Cell, type Contender, type Effort, type Phase, phases } from "./results";
import { number } from "./table";

/** What is measured of one size. */
export interface Size {
  jids: number;
  rounds: number;
  /** Rounds of Ansible; none: it is left out. */
  peerRounds: number;
}

/**
 * Times floor, ours and the peer in turn, round by round, so that whatever else the machine does meanwhile meets all
 * of them. The first rounds of ours also give the number of resources for the floor.
 */
export async function measure(
  hosts: readonly BenchHost[],
  { jids, rounds, peerRounds }: Size,
): Promise<Cell> {
  const engine = settingFor(jids);
  const endLoad = watchLoad();
  const times: Cell["times"] = { floor: {}, ours: {}, peer: {} };
  const effort: Cell["effort"] = {};
  const note = (who: Contender, phase: Phase, seconds: number) => {
    times[who][phase] = [...(times[who][phase] ?? []), seconds];
    say(`  ${jids} JIDs, ${hosts.length} hosts: ${who} ${phase} ${number(seconds)} s`);
  };

  await Promise.all(hosts.map(blank));
  const ours = await TimedStack.ours(hosts, jids, engine);
  let floor: TimedStack | undefined;
  let peer: Peer | undefined;
  let resources = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      for (const phase of phases) {
        const { seconds, traces } = await ours.phase(phase);
        note("ours", phase, seconds);
        effort[phase] = more(effort[phase], traces);
        if (phase === "first" && round === 0) {
          resources = await ours.resources();
          floor = await TimedStack.floor(resources, engine);
          if (peerRounds > 0) peer = await Peer.create(hosts, jids);
        }
      }
      for (const phase of phases) note("floor", phase, (await floor!.phase(phase)).seconds);
      if (!peer || round >= peerRounds) continue;
      await Promise.all(hosts.map(blank));
      for (const phase of phases) if (phase !== "destroy") note("peer", phase, await peer.phase(phase));
      await Promise.all(hosts.map(blank));
    }
  } finally {
    ours.remove();
    floor?.remove();
    await peer?.remove();
  }
  const day = new Date().toISOString().slice(0, 10);
  return { jids, hosts: hosts.length, resources, engine, day, load: endLoad(), times, effort };
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

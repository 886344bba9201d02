import { settingFor } from "../tools/engine-setting";
import type { BenchHost } from "./hosts";
import { type Timed, TimedStack } from "./ours";
import type { StartUp } from "./results";

/** Seconds from the start of the program's process until its resources are being registered: empty, and ours. */
export async function startUp(hosts: readonly BenchHost[], rounds: number): Promise<StartUp> {
  const engine = settingFor(1);
  const [empty, ours] = [await TimedStack.floor(0, engine), await TimedStack.ours(hosts, 1, engine)];
  const found: StartUp = { node: process.version, empty: [], ours: [] };
  try {
    for (let round = 0; round < rounds; round++) {
      found.empty.push(loaded(await empty.timed(() => empty.stack.preview())));
      found.ours.push(loaded(await ours.timed(() => ours.stack.preview())));
    }
  } finally {
    empty.remove();
    ours.remove();
  }
  return found;
}

function loaded({ traces }: Timed): number {
  const { start, modules } = traces.find(({ role }) => role === "program")!;
  return (modules["start.cjs"]!.end! - start) / 1000;
}

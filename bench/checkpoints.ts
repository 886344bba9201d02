import { say } from "../lab/command";
import { settingFor } from "../tools/engine-setting";
import { TimedStack } from "./ours";
import type { Checkpoints } from "./results";
import { number } from "./table";

/** What the engine's checkpoints cost: resources that do nothing, with its default setting and the recommended one. */
export async function checkpoints(
  sizes: readonly number[],
  settings = [{}, settingFor(1), settingFor(1000)],
): Promise<Checkpoints[]> {
  const found: Checkpoints[] = [];
  for (const resources of sizes)
    for (const engine of settings) {
      const floor = await TimedStack.floor(resources, engine);
      try {
        const first = (await floor.phase("first")).seconds;
        const destroy = (await floor.phase("destroy")).seconds;
        found.push({ node: process.version, resources, engine, first, destroy });
        say(`  ${resources} resources ${JSON.stringify(engine)}: ${number(first)} s, ${number(destroy)} s`);
      } finally {
        floor.remove();
      }
    }
  return found;
}

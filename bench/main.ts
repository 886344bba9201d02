import { parseArgs } from "node:util";
import { say } from "../lab/command";
import { bringUp, takeDown } from "./hosts";
import { describeMachine } from "./machine";
import { cellKey, loadResults, merge, saveResults } from "./results";
import { measure } from "./speed";

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      jids: { type: "string", default: "1,10,100" },
      hosts: { type: "string", default: "1" },
      rounds: { type: "string", default: "5" },
      "peer-rounds": { type: "string" },
      keep: { type: "boolean" },
    },
  });
  const [what = "speed"] = positionals;
  if (what !== "speed") throw new Error(what);
  const numbers = (text: string) => text.split(",").map(Number);
  for (const count of numbers(values.hosts)) {
    const hosts = await bringUp(count);
    try {
      for (const jids of numbers(values.jids)) {
        const rounds = Number(values.rounds);
        const cell = await measure(hosts, {
          jids,
          rounds,
          peerRounds: Number(values["peer-rounds"] ?? rounds),
        });
        const results = loadResults();
        results.machine = await describeMachine();
        results.cells = merge(results.cells, [cell], cellKey);
        saveResults(results);
      }
    } finally {
      if (!values.keep) await takeDown(hosts);
    }
  }
  say("done");
  return 0;
}

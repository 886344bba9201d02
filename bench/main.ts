import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "../config/root";
import { say } from "../lab/command";
import { settingFor } from "../tools/engine-setting";
import { checkpoints } from "./checkpoints";
import { disruptions } from "./disruption";
import { type BenchHost, bringUp, takeDown } from "./hosts";
import { kills } from "./kill";
import { describeMachine } from "./machine";
import { profile } from "./profile";
import { report } from "./report";
import { cellKey, fewPhases, loadResults, merge, none, type Results, saveResults } from "./results";
import { measure } from "./speed";
import { startUp } from "./start-up";
import { text } from "./text";

const usage = `npm run bench -- [COMMAND] [OPTION...]

  speed        floor, ours and Ansible side by side (default)
                 --jids 1,10,100   --hosts 1   --rounds 5   --peer-rounds N (default: as --rounds)
  profile      where the time of each phase goes          --jids 100
  start        start of the program, against an empty one  --rounds 5
  checkpoints  what the engine's checkpoints cost         --resources 100,500
  disruption   what connected clients see of each change  --clients 100
  kill         the engine killed at random moments        --jids 100   --kills 50
  report       write docs/performance.md from bench/results.json; the others do so, too
  all          all of them, one after the other: hours

  --keep       leave the lab hosts up for the next command
  --smoke      each once with small numbers, without writing anything
`;

const options = {
  jids: { type: "string" },
  hosts: { type: "string", default: "1" },
  rounds: { type: "string", default: "5" },
  "peer-rounds": { type: "string" },
  resources: { type: "string", default: "100,500" },
  clients: { type: "string", default: "100" },
  kills: { type: "string", default: "50" },
  keep: { type: "boolean", default: false },
  smoke: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

type Values = ReturnType<typeof parse>["values"];

const parse = (args: string[]) => parseArgs({ args, allowPositionals: true, options });

/** Measures one thing and says what of the results it is. */
type Command = (values: Values, hosts: () => Promise<BenchHost[]>) => Promise<void>;

const commands: Record<string, Command> = {
  async speed(values, hosts) {
    for (const jids of numbers(values.jids ?? "1,10,100")) {
      const rounds = Number(values.rounds);
      const peerRounds = Number(values["peer-rounds"] ?? rounds);
      const cell = await measure(await hosts(), { jids, rounds, peerRounds, phases: phasesOf(values) });
      await keep(values, ({ cells }) => ({ cells: merge(cells, [cell], cellKey) }));
    }
  },
  async profile(values, hosts) {
    const profiles = await profile(await hosts(), Number(values.jids ?? 100), phasesOf(values));
    await keep(values, () => ({ profiles }));
  },
  async start(values, hosts) {
    const found = await startUp(await hosts(), Number(values.rounds));
    await keep(values, () => ({ startUp: found }));
  },
  async checkpoints(values) {
    const found = await checkpoints(numbers(values.resources), values.smoke ? [settingFor(1000)] : undefined);
    await keep(values, () => ({ checkpoints: found }));
  },
  async disruption(values, hosts) {
    const kinds = values.smoke ? 0 : undefined;
    const found = await disruptions((await hosts())[0]!, Number(values.clients), kinds);
    await keep(values, () => ({ disruptions: found }));
  },
  async kill(values, hosts) {
    const found = await kills((await hosts())[0]!, Number(values.jids ?? 100), Number(values.kills));
    if (found.lost + found.duplicated > 0) throw new Error(JSON.stringify(found));
    await keep(values, () => ({ kills: found }));
  },
  async report(values) {
    await keep(values, () => ({}));
  },
};

/** Numbers with which each takes seconds. */
const small = {
  jids: "2",
  hosts: "1",
  rounds: "1",
  "peer-rounds": "1",
  resources: "2",
  clients: "3",
  kills: "1",
};

/** The command line of the benchmarks. Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const { values: given, positionals } = parse(args);
  const values = given.smoke ? { ...given, ...small } : given;
  const [name = given.smoke ? "all" : "speed"] = positionals;
  const wanted = name === "all" ? Object.values(commands) : [commands[name]];
  if (given.help || wanted.some((command) => !command)) {
    process.stderr.write(usage);
    return given.help ? 0 : 2;
  }
  for (const count of numbers(values.hosts)) {
    let hosts: Promise<BenchHost[]> | undefined;
    try {
      for (const command of wanted)
        await command!(values, () => {
          hosts ??= bringUp(count);
          return hosts;
        });
    } finally {
      if (!values.keep && hosts) await takeDown(await hosts);
    }
  }
  return 0;
}

const phasesOf = ({ smoke }: Values) => (smoke ? fewPhases : undefined);

const numbers = (list: string) => list.split(",").map(Number);

/** Puts what was measured among the results, and writes the page anew. */
async function keep(values: Values, change: (results: Results) => Partial<Results>): Promise<void> {
  const before = values.smoke ? none : loadResults();
  const results = { ...before, machine: await describeMachine(), ...change(before) };
  const page = report(results, text);
  if (values.smoke) return;
  saveResults(results);
  writeFileSync(join(root, "docs/performance.md"), page);
  say("Written: bench/results.json, docs/performance.md");
}

import { goalTable } from "./goals";
import { type Cell, type Contender, type Phase, phases, type Results } from "./results";
import { ratio } from "./statistics";
import { factor, number, table, times } from "./table";

/** docs/performance.md, from what was measured; `text` are its passages that are written by hand, by name. */
export function report(results: Results, text: Record<string, string>): string {
  return `${[
    text.head,
    machine(results),
    "## Goals",
    goalTable(results),
    text.goals,
    "## Times",
    text.times,
    ...results.cells.map(speed),
    "## Where the time goes",
    text.profile,
    ...results.profiles.map(({ node, phase, jids, parts }) =>
      table(
        [`${name(phase, "ours")}, ${jids} JIDs, ${nodeName(node)}`, "s", "not less than"],
        parts.map(({ name, seconds, limit }) => [name, number(seconds), number(limit)]),
      ),
    ),
    startUp(results),
    "## Checkpoints",
    text.checkpoints,
    checkpoints(results),
    kills(results),
    "## What clients notice",
    text.disruption,
    disruption(results),
  ]
    .filter(Boolean)
    .join("\n\n")}\n`;
}

function machine({ machine }: Results): string {
  if (!machine) return "";
  const { cpu, cores, memory, system, engine } = machine;
  return `${cpu}, ${cores} cores, ${memory} GB, ${system}; Pulumi ${engine}, @pulumi/pulumi ${sdk()}.`;
}

/** As people write a version of Node.js. */
const nodeName = (version: string) => `Node.js ${version.slice(1)}`;

const sdk = () => (require("@pulumi/pulumi/package.json") as { version: string }).version;

const names: Record<Phase, [ours: string, peer: string]> = {
  first: ["first `up`", "first run"],
  nothing: ["`up` without a change", "run without a change"],
  one: ["one JID more", "one JID more"],
  preview: ["plain `preview`", "`--check --diff`"],
  destroy: ["`destroy`", ""],
};

const name = (phase: Phase, who: Contender) => names[phase][who === "peer" ? 1 : 0];

/** One size: the three side by side. */
function speed({ node, jids, hosts, resources, engine, day, load, times: all, effort }: Cell): string {
  const where = hosts === 1 ? "1 host" : `${hosts} hosts`;
  const setting = Object.entries(engine).map(([key, value]) => `\`${key}=${value}\``);
  return [
    `### ${jids.toLocaleString("en")} ${jids === 1 ? "JID" : "JIDs"}, ${where}`,
    `${resources} resources, ${setting.join(" ")}; ${day}, ${nodeName(node)}, ${number(load)} processes at work on average.`,
    table(
      ["", "floor", "ours", "Ansible", "ours / floor", "Ansible / ours", "round trips", "provider"],
      phases.map((phase) => {
        const { roundTrips, providerMegabytes } = effort[phase] ?? {};
        const peer = all.peer[phase];
        return [
          name(phase, "ours") +
            (peer && name(phase, "peer") !== name(phase, "ours") ? `; ${name(phase, "peer")}` : ""),
          times(all.floor[phase]),
          times(all.ours[phase]),
          times(peer),
          factor(ratio(all.ours[phase], all.floor[phase])),
          factor(ratio(peer, all.ours[phase])),
          roundTrips === undefined ? "–" : String(roundTrips),
          providerMegabytes === undefined ? "–" : `${number(providerMegabytes)} MB`,
        ];
      }),
    ),
  ].join("\n\n");
}

function startUp({ startUp }: Results): string {
  if (!startUp) return "";
  return `From the start of ${nodeName(startUp.node)} until the program has run: an empty prebuilt one ${times(startUp.empty)} s, ours ${times(startUp.ours)} s.`;
}

function checkpoints({ checkpoints }: Results): string {
  if (checkpoints.length === 0) return "";
  return table(
    ["Resources that do nothing", "setting", "with", "create, s", "destroy, s"],
    checkpoints.map(({ node, resources, engine, first, destroy }) => [
      String(resources),
      Object.entries(engine)
        .map(([key, value]) => `\`${key}=${value}\``)
        .join(" ") || "the engine's own",
      nodeName(node),
      number(first),
      number(destroy),
    ]),
  );
}

function kills({ kills }: Results): string {
  if (!kills) return "";
  const { kills: count, jids, lost, duplicated } = kills;
  return `\`npm run bench -- kill\`: the engine was killed ${count} times at random moments of an \`up\` that had ${jids / 2} accounts to make or to delete; after \`pulumi cancel\` and \`pulumi up\`, ${lost} accounts were lost and ${duplicated} were there twice or too many, on the host and in the state.`;
}

function disruption({ disruptions }: Results): string {
  if (disruptions.length === 0) return "";
  return table(
    ["Change", "clients dropped", "no new connection for, s", "slowest message, s"],
    disruptions.map(({ change, clients, dropped, outage, slowestMessage }) => [
      change,
      `${dropped} of ${clients}`,
      number(outage),
      number(slowestMessage),
    ]),
  );
}

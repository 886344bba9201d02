import { type Cell, type Phase, phases, type Results } from "./results";
import { ratio, summarise } from "./statistics";
import { factor, number, table } from "./table";

/** A goal, what was measured, and whether that meets it; neither where nothing was measured. */
export interface Verdict {
  goal: string;
  measured?: string;
  met?: boolean;
}

const titles: Record<Phase, string> = {
  first: "first `up`",
  nothing: "`up` without a change",
  one: "one JID more",
  preview: "`preview`",
  destroy: "`destroy`",
};

/** Every goal, by ratios of medians within one run. */
export function verdicts({ cells, startUp, disruptions, kills }: Results): Verdict[] {
  const one = (jids: number) => cells.find((cell) => cell.jids === jids && cell.hosts === 1);
  return [
    ...floorGoals(one(100), 100, 1.3),
    ...floorGoals(one(1000), 1000, 1.5),
    atLeast("plain `preview` at 100 JIDs, faster than `--check --diff`", overPeer(one(100), "preview"), 3),
    atLeast("first `up` at 100 JIDs, faster than Ansible", overPeer(one(100), "first"), 3),
    atLeast("first `up` at 1,000 JIDs, faster than Ansible", overPeer(one(1000), "first"), 8),
    ...roundTripGoals(cells),
    atMost("first `up` with 5,000 JIDs over 1,000", grown(one(5000), one(1000)), 6),
    ...hostGoals(cells),
    plain("memory of the provider process at 5,000 JIDs, at most 200 MB", megabytes(one(5000)), 200, "MB"),
    plain(
      "start of the program over an empty one, at most 0.4 s",
      startUp && summarise(startUp.ours).median - summarise(startUp.empty).median,
      0.4,
      "s",
    ),
    plain(
      "clients that the project's own changes drop: 0 of 100",
      disruptions.length > 0
        ? disruptions.filter(({ byUs }) => byUs).reduce((sum, { dropped }) => sum + dropped, 0)
        : undefined,
      0,
      "",
    ),
    plain(
      "accounts lost or there twice after 50 kills of the engine: 0",
      kills && kills.kills >= 50 ? kills.lost + kills.duplicated : undefined,
      0,
      "",
    ),
  ];
}

function floorGoals(cell: Cell | undefined, jids: number, limit: number): Verdict[] {
  return phases.map((phase) =>
    atMost(
      `${titles[phase]} over the floor at ${jids.toLocaleString("en")} JIDs`,
      cell && ratio(cell.times.ours[phase], cell.times.floor[phase]),
      limit,
    ),
  );
}

function roundTripGoals(cells: readonly Cell[]): Verdict[] {
  const seen = cells
    .filter(({ hosts }) => hosts === 1)
    .flatMap(({ effort }) => (effort.preview ? [effort.preview.roundTrips] : []));
  const most = seen.length > 0 ? Math.max(...seen) : undefined;
  return [plain("round trips of a preview without a change, any number of JIDs, at most 10", most, 10, "")];
}

/** The most hosts, against one host with the same total of JIDs, and the same Node.js. */
function hostGoals(cells: readonly Cell[]): Verdict[] {
  const goal = "10 hosts over one host with the same JIDs, plain `preview`";
  const many = cells.filter(({ hosts }) => hosts === 10).at(-1);
  const single = cells.find(
    ({ node, hosts, jids }) => hosts === 1 && jids === many?.jids && node === many.node,
  );
  return [atMost(goal, many && single && ratio(many.times.ours.preview, single.times.ours.preview), 2)];
}

const overPeer = (cell: Cell | undefined, phase: Phase) =>
  cell && ratio(cell.times.peer[phase], cell.times.ours[phase]);

const grown = (many: Cell | undefined, few: Cell | undefined) =>
  many && few && many.node === few.node ? ratio(many.times.ours.first, few.times.ours.first) : undefined;

const megabytes = (cell: Cell | undefined) =>
  cell && Math.max(...Object.values(cell.effort).map(({ providerMegabytes }) => providerMegabytes));

const atMost = (goal: string, value: number | undefined, limit: number): Verdict =>
  verdict(`${goal}: at most ${limit} ×`, value, factor, (found) => found <= limit);

const atLeast = (goal: string, value: number | undefined, limit: number): Verdict =>
  verdict(`${goal}: at least ${limit} ×`, value, factor, (found) => found >= limit);

const plain = (goal: string, value: number | undefined, limit: number, unit: string): Verdict =>
  verdict(
    goal,
    value,
    (found) => `${Number.isInteger(found) ? found : number(found)} ${unit}`.trim(),
    (found) => found <= limit,
  );

function verdict(
  goal: string,
  value: number | undefined,
  show: (value: number) => string,
  isMet: (value: number) => boolean,
): Verdict {
  return value === undefined ? { goal } : { goal, measured: show(value), met: isMet(value) };
}

/** The verdicts as a table. */
export function goalTable(results: Results): string {
  return table(
    ["Goal", "Measured", ""],
    verdicts(results).map(({ goal, measured, met }) => [
      goal,
      measured ?? "not measured",
      met === undefined ? "" : met ? "met" : "**missed**",
    ]),
  );
}

import { verdicts } from "../../../bench/goals";
import { report } from "../../../bench/report";
import { type Cell, cellKey, merge, none, type Results } from "../../../bench/results";
import { text } from "../../../bench/text";

const cell = (changes: Partial<Cell> = {}): Cell => ({
  node: "v24.1.0",
  jids: 100,
  hosts: 1,
  resources: 136,
  engine: { PULUMI_PARALLEL: "64" },
  day: "2026-06-01",
  load: 2.5,
  times: {
    floor: { preview: [2, 3, 4] },
    ours: { first: [9], preview: [3, 3.6, 9] },
    peer: { first: [18], preview: [12] },
  },
  effort: { preview: { roundTrips: 11, providerMegabytes: 170 } },
  ...changes,
});
const verdict = (results: Partial<Results>, goal: RegExp) =>
  verdicts({ ...none, ...results }).find((each) => goal.test(each.goal));

test("a goal is met or missed by the medians of one run", () => {
  const cells = [cell()];
  expect(verdict({ cells }, /^`preview` over the floor at 100/)).toEqual({
    goal: "`preview` over the floor at 100 JIDs: at most 1.3 ×",
    measured: "1.20 ×",
    met: true,
  });
  expect(verdict({ cells }, /`--check --diff`/)).toMatchObject({ measured: "3.33 ×", met: true });
  expect(verdict({ cells }, /first `up` at 100 JIDs, faster/)).toMatchObject({
    measured: "2.00 ×",
    met: false,
  });
  expect(verdict({ cells }, /round trips/)).toMatchObject({ measured: "11", met: false });
});

test("sizes are compared where they were measured with the same Node.js", () => {
  const hosts10 = cell({ hosts: 10, times: { floor: {}, ours: { preview: [9] }, peer: {} } });
  expect(verdict({ cells: [cell(), hosts10] }, /^10 hosts/)).toMatchObject({ measured: "2.50 ×" });
  expect(verdict({ cells: [cell({ node: "v20.1.0" }), hosts10] }, /^10 hosts/)).not.toHaveProperty(
    "measured",
  );
});

test("a goal of which nothing was measured is neither", () => {
  expect(verdict({}, /`destroy` over the floor at 1,000/)).toEqual({
    goal: "`destroy` over the floor at 1,000 JIDs: at most 1.5 ×",
  });
  expect(
    verdict({ kills: { jids: 100, kills: 49, late: 0, lost: 0, duplicated: 0, engine: {} } }, /kills/),
  ).toEqual({
    goal: "accounts lost or there twice after 50 kills of the engine: 0",
  });
});

test("only what the project itself drops counts", () => {
  const seen = { clients: 100, outage: 0, slowestMessage: 0.1 };
  const disruptions = [
    { change: "a module more", byUs: true, dropped: 0, ...seen },
    { change: "a restart", byUs: false, dropped: 100, ...seen },
  ];
  expect(verdict({ disruptions }, /drop/)).toMatchObject({ measured: "0", met: true });
  disruptions[0]!.dropped = 1;
  expect(verdict({ disruptions }, /drop/)).toMatchObject({ measured: "1", met: false });
});

test("a newer measurement of a size takes the place of the older one, and sizes are in order", () => {
  const [old, other, fresh] = [cell(), cell({ jids: 5000 }), cell({ load: 1 })];
  expect(merge([other, old], [fresh, cell({ jids: 10 })], cellKey)).toEqual([
    cell({ jids: 10 }),
    fresh,
    other,
  ]);
});

test("the page has a row per phase, with a dash where nothing was measured", () => {
  const page = report({ ...none, cells: [cell()] }, text);
  expect(page).toContain("### 100 JIDs, 1 host\n");
  expect(page).toContain("; 2026-06-01, Node.js 24.1.0, 2.50 processes at work on average.");
  expect(page).toContain(
    "| plain `preview`; `--check --diff` | 2.00 / **3.00** / 4.00 | 3.00 / **3.60** / 9.00 | 12.0 (once) | 1.20 × | 3.33 × | 11 | 170 MB |",
  );
  expect(page).toContain("| `destroy` | – | – | – | – | – | – | – |");
});

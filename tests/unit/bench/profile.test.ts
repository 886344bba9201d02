import type { Timed, Trace } from "../../../bench/ours";
import { partition } from "../../../bench/profile";

const trace = (role: Trace["role"], more: Partial<Trace>): Trace => ({
  role,
  start: 0,
  end: 0,
  peakKilobytes: 0,
  cpu: 0,
  modules: {},
  connections: [],
  commands: [],
  ...more,
});
const timed = (seconds: number, ...traces: Trace[]): Timed => ({
  seconds,
  start: 0,
  end: seconds * 1000,
  traces,
  text: "",
});

test("each moment goes to one part, so that they add up", () => {
  const ours = timed(
    10,
    trace("provider", {
      start: 500,
      modules: { dispatch: { start: 900, end: 1000 } },
      connections: [{ start: 900, end: 1200 }],
      commands: [
        { start: 1100, end: 2000 },
        { start: 1500, end: 4000 },
      ],
    }),
    trace("program", { start: 4000, modules: { "start.cjs": { start: 4500, end: 5000 } } }),
  );
  const floor = timed(
    3,
    trace("provider", { start: 0, modules: { "noop.cjs": { start: 300, end: 400 } } }),
    trace("program", { start: 1000, modules: { "start.cjs": { start: 1500, end: 1800 } } }),
  );
  expect(partition(ours, floor)).toEqual([
    { name: "remote work", seconds: 2.9, limit: 2.5 },
    { name: "SSH log-in", seconds: expect.closeTo(0.2), limit: 0.3 },
    { name: "start of the provider", seconds: expect.closeTo(0.4), limit: 0.4 },
    { name: "start of the program", seconds: 1, limit: 0.8 },
    { name: "engine and its calls", seconds: 5.5, limit: expect.closeTo(1.8) },
  ]);
});

import { covered, ratio, summarise } from "../../../bench/statistics";

test("minimum, median and maximum; between the two in the middle where the number is even", () => {
  expect(summarise([5, 1, 3])).toEqual({ min: 1, median: 3, max: 5, count: 3 });
  expect(summarise([10, 1, 4, 2])).toEqual({ min: 1, median: 3, max: 10, count: 4 });
  expect(() => summarise([])).toThrow("There are no samples.");
});

test("a ratio is one of medians, and none where a side was not measured", () => {
  expect(ratio([4, 6, 100], [2, 3, 4])).toBe(2);
  expect(ratio([4], [])).toBeUndefined();
  expect(ratio(undefined, [4])).toBeUndefined();
});

test("time that intervals cover counts once, however many are open", () => {
  expect(
    covered([
      { start: 10, end: 20 },
      { start: 0, end: 5 },
      { start: 12, end: 14 },
      { start: 18, end: 25 },
      { start: 30 },
    ]),
  ).toBe(20);
});

/** Minimum, median and maximum of some samples, and how many they were. */
export interface Summary {
  min: number;
  median: number;
  max: number;
  count: number;
}

/** @throws Error without samples: a row that nobody measured must not look like one. */
export function summarise(samples: readonly number[]): Summary {
  if (samples.length === 0) throw new Error("There are no samples.");
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
  return { min: sorted[0]!, median, max: sorted.at(-1)!, count: sorted.length };
}

/** Ratio of the medians; `undefined` where either side was not measured. */
export function ratio(a: readonly number[] = [], b: readonly number[] = []): number | undefined {
  if (a.length === 0 || b.length === 0) return undefined;
  return summarise(a).median / summarise(b).median;
}

/** Milliseconds in which at least one of the intervals was open. */
export function covered(intervals: readonly { start: number; end?: number }[]): number {
  let [total, reached] = [0, Number.NEGATIVE_INFINITY];
  for (const { start, end = start } of [...intervals].sort((a, b) => a.start - b.start)) {
    total += Math.max(0, end - Math.max(start, reached));
    reached = Math.max(reached, end);
  }
  return total;
}

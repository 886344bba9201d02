import { type Summary, summarise } from "./statistics";

/** A table of Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---|").join("")}`, ...rows.map(line)].join("\n");
}

/** Seconds as `min / median / max`; one number for a single sample, a dash for none. */
export function times(samples: readonly number[] | undefined): string {
  if (!samples?.length) return "–";
  const { min, median, max, count } = summarise(samples);
  return count === 1 ? `${number(median)} (once)` : `${number(min)} / **${number(median)}** / ${number(max)}`;
}

/** Three significant digits at most. */
export function number(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}

/** A ratio as `1.23 ×`. */
export const factor = (value: number | undefined): string =>
  value === undefined ? "–" : `${number(value)} ×`;

export type { Summary };

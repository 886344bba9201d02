import type { Suite } from "./check";
import type { Line, Status } from "./runner";

const words: Record<Status, string> = {
  passed: "PASSED",
  failed: "FAILED",
  off: "off",
  "not there": "not there",
  untested: "untested",
};

/** The public suites, as the lines at the end name them. */
const suiteNames: Record<Suite, string> = {
  classic: "compliance suite of 2017",
  current: "compliance suite of today",
  informational: "compliance suite of today, informational",
};

interface Score {
  passed: number;
  /** Lines that the stack config promises, and that could be tried. */
  of: number;
}

/** One score for each virtual host would say less: a suite is passed where all of them pass it. */
export function score(lines: readonly Line[]): Score {
  const counted = lines.filter(({ status }) => status === "passed" || status === "failed");
  return { passed: counted.filter(({ status }) => status === "passed").length, of: counted.length };
}

/** The lines of one virtual host, and what they come to. */
export function table(lines: readonly Line[]): string {
  const width = Math.max(...lines.map((line) => title(line).length)) + 2;
  const common = commonCause(lines);
  const rows = lines.map((line) => {
    const { status, detail } = line;
    const isTold = status === "failed" && common.length > 0;
    const note = detail && !isTold ? (status === "failed" ? `  ${detail}` : `  (${detail})`) : "";
    const fix = status === "failed" && !isTold ? `\n${" ".repeat(8)}turned green by: ${line.option}` : "";
    return `${title(line).padEnd(width)}${words[status]}${note}${fix}`;
  });
  const { passed, of } = score(lines);
  const suites = (Object.keys(suiteNames) as Suite[]).flatMap((suite) => {
    const part = lines.filter((line) => line.suites.includes(suite));
    return part.length > 0 ? [`${suiteNames[suite]}: ${suiteScore(part)}`] : [];
  });
  return [...rows, ...common, `passed ${passed}/${of}`, ...suites].join("\n");
}

/** What many lines would repeat, as where nobody can connect: told once, below them, if all that failed have it. */
function commonCause(lines: readonly Line[]): string[] {
  const failed = lines.filter(({ status }) => status === "failed");
  const options = new Set(failed.map(({ option }) => option));
  const details = [...new Set(failed.map(({ detail }) => detail))];
  if (failed.length < 4 || options.size > 1 || details.length > failed.length / 2) return [];
  return [
    `FAILED for the same reason, all ${failed.length}:`,
    ...details.map((detail) => `${" ".repeat(8)}${detail}`),
    `${" ".repeat(8)}turned green by: ${failed[0]!.option}`,
  ];
}

const title = ({ spec, name }: Line) => `running ${spec}: ${name}…`;

/** Public testers know nothing of what was switched off on purpose: every test of theirs counts. */
function suiteScore(lines: readonly Line[]): string {
  const passed = lines.filter(({ status }) => status === "passed").length;
  const lacking = lines.filter(({ status }) => status !== "passed").map(({ name }) => name);
  return `passed ${passed}/${lines.length}${lacking.length ? `, without ${lacking.join(", ")}` : ""}`;
}

/** For programs: what {@link table} shows to people. */
export function summary(lines: readonly Line[]): object {
  const suite = (name: Suite) => {
    const part = lines.filter(({ suites }) => suites.includes(name));
    return { passed: part.filter(({ status }) => status === "passed").length, of: part.length };
  };
  return {
    ...score(lines),
    suites: { classic: suite("classic"), current: suite("current"), informational: suite("informational") },
  };
}

import { readFileSync } from "node:fs";
import path from "node:path";
import type { Environment } from "../../config/environment";
import { parseHostKey } from "../../config/host-keys";
import { Refused } from "../../config/refused";
import { Secret } from "../../config/secret";
import { expandHome } from "../../providers/ssh/paths";
import { givenSecret } from "../passphrase";
import type { Acceptance } from "./host";
import { type Answers, problemsOf, type Question, questions } from "./questions";

/** This machine, and where on it the user is. */
export interface Place extends Environment {
  /** Directory that paths on the command line and at the terminal start at. */
  here: string;
  /** Somebody can be asked. */
  onTerminal: boolean;
}

/** Flags of the command line by name, as node:util's parseArgs gives them. */
export type Flags = Record<string, string | boolean | undefined>;

/** What flags, files, the environment and standard input say. */
export interface Given {
  answers: Answers;
  /** How the host's key is confirmed, where none is pinned. */
  acceptance: Acceptance;
  /** All that is wrong, each with its flag; where nobody can be asked, what is missing, too. */
  problems: string[];
}

/** @param standardInput reads all of it; not called where no flag names it */
export function given(
  flags: Flags,
  place: Place,
  standardInput: () => string = () => readFileSync(0, "utf8"),
): Given {
  const found: Record<string, string | Secret> = {};
  const problems: string[] = [];
  const note = (flag: string, problem: string) => problems.push(`--${flag}: ${problem.replace(/\.?$/, ".")}`);
  const nextLine = linesOf(standardInput, place);
  for (const question of questions) {
    try {
      const answer = answerOf(question, flags[question.flag] as string | undefined, place, nextLine);
      if (answer !== undefined) found[question.key] = answer;
    } catch (error) {
      note(question.flag, (error as Error).message);
    }
  }
  const trust = trustFrom(flags, note);
  const answers: Answers = { ...found, ...(trust.hostKey !== undefined && { hostKey: trust.hostKey }) };
  for (const question of questions)
    if (answers[question.key] !== undefined)
      for (const problem of problemsOf(question, answers, place)) note(question.flag, problem);
  if (place.onTerminal) return { answers, acceptance: trust.acceptance ?? "ask", problems };

  const { whole, missing } = complete(answers, place);
  if (!trust.isGiven) missing.push("--host-key, --host-key-fingerprint or --accept-host-key");
  if (missing.length > 0)
    problems.push(`Nobody is at a terminal to be asked, and these are missing: ${missing.join("; ")}.`);
  return { answers: whole, acceptance: trust.acceptance ?? "accept", problems };
}

function answerOf(
  { variable, isFile }: Question,
  flag: string | undefined,
  place: Place,
  nextLine: () => Secret,
): string | Secret | undefined {
  if (variable) return flag === "-" ? nextLine() : givenSecret(flag && absolute(flag, place), variable);
  return isFile && flag ? asInStackConfig(flag, place) : flag;
}

/** Secrets on standard input, a line each. */
function linesOf(standardInput: () => string, { onTerminal }: Place): () => Secret {
  let lines: string[] | undefined;
  return () => {
    if (onTerminal)
      throw new Error("standard input is the terminal: leave the option out, and it is asked for");
    lines ??= standardInput().split(/\r?\n/);
    const line = lines.shift();
    if (!line) throw new Error("standard input has no line for it");
    return new Secret(line);
  };
}

/** What flags say of the host's key. */
function trustFrom(
  flags: Flags,
  note: (flag: string, problem: string) => void,
): { isGiven: boolean; hostKey?: string; acceptance?: Acceptance } {
  const names = ["host-key", "host-key-fingerprint", "accept-host-key"];
  const [flag, other] = names.filter((name) => flags[name] !== undefined);
  if (flag === undefined) return { isGiven: false };
  if (other !== undefined) note(other, `there is --${flag}, too; give one of them`);
  if (flag === "accept-host-key") return { isGiven: true, acceptance: "accept" };
  const value = flags[flag] as string;
  if (flag === "host-key-fingerprint") {
    if (!/^SHA256:[A-Za-z0-9+/]{43}$/.test(value))
      note(
        flag,
        `${JSON.stringify(value)}: give it as \`ssh-keygen -lf\` prints it, SHA256: and 43 characters`,
      );
    return { isGiven: true, acceptance: { fingerprint: value } };
  }
  try {
    return { isGiven: true, hostKey: parseHostKey(value) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    note(flag, error.message);
    return { isGiven: true };
  }
}

/** Fills in what is taken without an answer. */
function complete(answers: Answers, place: Place): { whole: Answers; missing: string[] } {
  const whole: Answers = { ...answers };
  const missing: string[] = [];
  for (const { key, flag, variable, matters, otherwise } of questions) {
    if (whole[key] !== undefined || matters?.(whole, place) === false) continue;
    if (otherwise !== undefined) Object.assign(whole, { [key]: otherwise });
    else missing.push(variable ? `--${flag} (or ${variable})` : `--${flag}`);
  }
  return { whole, missing };
}

const absolute = (file: string, { here }: Place) => path.resolve(here, expandHome(file));

/** A path as the stack config has it: relative ones start where Pulumi.yaml is. */
export function asInStackConfig(file: string, place: Place): string {
  if (path.isAbsolute(file) || file.startsWith("~")) return file;
  const relative = path.relative(place.files.resolve("."), absolute(file, place));
  return relative.startsWith("..") ? absolute(file, place) : relative;
}

import { setMaxListeners } from "node:events";
import { certificateRemedy } from "./certificate-remedy";
import { type Check, type Context, FailedElsewhere, type Suite, Untested } from "./check";
import type { Expected } from "./expected";

/**
 * `off`: the stack config switches it off. `not there`: this release of Prosody can't do it. `untested`: it can't be
 * tried from here. None of the three counts.
 */
export type Status = "passed" | "failed" | "off" | "not there" | "untested";

/** What became of one check on one virtual host. */
export interface Line {
  domain: string;
  name: string;
  spec: string;
  suites: readonly Suite[];
  status: Status;
  /** What is wrong, or worth knowing. */
  detail?: string;
  /** The option that turns it green, of a line that failed. */
  option?: string;
  seconds: number;
}

/** A context, and what ends the sessions that were opened in it. */
export type Opened = Context & { close(): Promise<void> };

interface RunnerOptions {
  /** Gives a check what it works with. */
  open(check: Check, expected: Expected): Opened;
  /** Checks at the same time. */
  parallel: number;
  /** Seconds that a check may take. */
  timeout: number;
  /** Ends the run early: what has not begun by then fails with the reason. */
  signal?: AbortSignal;
}

/** Tries all checks on all virtual hosts, several at the same time. @returns a line for each, in their order */
export async function runChecks(
  checks: readonly Check[],
  hosts: readonly Expected[],
  options: RunnerOptions,
): Promise<Line[]> {
  const tasks = hosts.flatMap((expected) => checks.map((check) => ({ check, expected })));
  const lines: Line[] = new Array(tasks.length);
  if (options.signal) setMaxListeners(0, options.signal); // every check that runs is one
  let next = 0;
  const work = async () => {
    while (next < tasks.length) {
      const index = next++;
      const { check, expected } = tasks[index]!;
      lines[index] = await runCheck(check, expected, options);
    }
  };
  await Promise.all(Array.from({ length: options.parallel }, work));
  return lines;
}

async function runCheck(check: Check, expected: Expected, options: RunnerOptions): Promise<Line> {
  const line = { domain: expected.domain, name: check.name, spec: check.spec, suites: check.suites ?? [] };
  const promised = check.expect(expected);
  if (promised !== "expected")
    return "off" in promised
      ? { ...line, status: "off", detail: promised.off, seconds: 0 }
      : { ...line, status: "not there", detail: `not in ${promised.notIn}`, seconds: 0 };
  const started = performance.now();
  const seconds = () => Math.round(performance.now() - started) / 1000;
  try {
    options.signal?.throwIfAborted();
    const detail = await attempt(check, expected, options);
    return { ...line, status: "passed", ...(detail && { detail }), seconds: seconds() };
  } catch (error) {
    const detail = (error as Error).message || String(error);
    if (error instanceof Untested) return { ...line, status: "untested", detail, seconds: seconds() };
    const { option: usual } = error instanceof FailedElsewhere ? error : check;
    const option = certificateRemedy(detail, expected) ?? usual;
    return { ...line, status: "failed", detail, option, seconds: seconds() };
  }
}

async function attempt(
  check: Check,
  expected: Expected,
  options: RunnerOptions,
): Promise<string | undefined> {
  const context = options.open(check, expected);
  const running = check.run(context);
  running.catch(() => undefined); // it may fail again after it was given up
  let giveUp: (reason: Error) => void = () => undefined;
  const givenUp = new Promise<never>((_resolve, reject) => {
    giveUp = reject;
  });
  const timer = setTimeout(
    () => giveUp(new Error(`not done after ${options.timeout} s`)),
    options.timeout * 1000,
  );
  const onAbort = () => giveUp(options.signal!.reason);
  options.signal?.addEventListener("abort", onAbort);
  try {
    const detail = await Promise.race([running, givenUp]);
    return typeof detail === "string" ? detail : undefined;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
    await context.close();
  }
}

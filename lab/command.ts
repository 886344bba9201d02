import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  input?: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Exit codes that are no error; default [0]. `"any"` leaves the judgement to the caller. */
  accept?: number[] | "any";
  /** Called with each line of output as it comes, for commands that take long. */
  onLine?: (line: string) => void;
}

/**
 * Runs a program of this machine, without a shell.
 * @throws Error with the command line, exit code and last lines of stderr for an exit code not accepted; with a
 *   plain text when the program is not installed.
 */
export function run(command: string, args: string[], options: RunOptions = {}): Promise<Ran> {
  const accept = options.accept ?? [0];
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: options.env ?? process.env });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    if (options.onLine)
      for (const stream of [child.stdout, child.stderr])
        createInterface({ input: stream }).on("line", options.onLine);
    child.stdin.on("error", () => undefined); // the program need not read its input
    child.stdin.end(options.input ?? "");
    child.on("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "ENOENT" ? new Error(`${command} is not installed on this machine.`) : error),
    );
    child.on("close", (status, signal) => {
      const code = status ?? 128;
      if (accept === "any" || (status !== null && accept.includes(code))) resolve({ code, stdout, stderr });
      else reject(new Error(failure(command, args, signal ?? `exit code ${code}`, stderr || stdout)));
    });
  });
}

function failure(command: string, args: string[], how: string, output: string): string {
  const last = output.trimEnd().split("\n").slice(-8).join("\n");
  return `${[command, ...args].join(" ")}: ${how}${last ? `\n${last}` : ""}`;
}

/** Progress for the person who waits; stdout stays for results. */
export function say(message: string): void {
  process.stderr.write(`${message}\n`);
}

/** An `onLine` that shows the latest line at most every two seconds, prefixed. */
export function sayNowAndThen(prefix: string): (line: string) => void {
  let next = 0;
  return (line) => {
    if (Date.now() < next || line.trim() === "") return;
    next = Date.now() + 2000;
    say(`${prefix}${line.trim().slice(0, 100)}`);
  };
}

/**
 * Asks `attempt` every `interval` milliseconds until it gives something.
 * @throws Error `expired` when nothing came in `seconds`.
 */
export async function until<T>(
  attempt: () => Promise<T | undefined> | T | undefined,
  seconds: number,
  expired: () => string,
  interval = 30,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const result = await attempt();
    if (result !== undefined) return result;
    if (Date.now() > deadline) throw new Error(expired());
    await new Promise((resolve) => setTimeout(resolve, interval));
  }
}

import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";

/** What is asked on the terminal. */
export interface Ask {
  /** What is typed is not shown. */
  hidden?: boolean;
  /** It has to be typed twice alike. */
  twice?: boolean;
  /** What is wrong with an answer, in a sentence; then it is asked again. */
  problem?: (answer: string) => string | undefined;
}

/**
 * Asks until there is an answer without a problem. On standard error, so that standard output stays for results.
 * @throws Error after ^C or ^D
 */
export async function ask(question: string, { hidden, twice, problem }: Ask = {}): Promise<string> {
  for (;;) {
    const answer = await read(question, hidden ?? false);
    const wrong =
      problem?.(answer) ??
      (twice && (await read("Once more: ", hidden ?? false)) !== answer ? "The two differ." : undefined);
    if (wrong === undefined) return answer;
    process.stderr.write(`${wrong}\n`);
  }
}

/**
 * Asks until the answer is yes or no.
 * @param otherwise what an empty answer means; without it, one has to be given
 */
export async function confirm(question: string, otherwise?: boolean): Promise<boolean> {
  const choice = otherwise === undefined ? "y/n" : otherwise ? "Y/n" : "y/N";
  for (;;) {
    const answer = (await read(`${question} [${choice}] `, false)).trim().toLowerCase();
    if (answer === "" && otherwise !== undefined) return otherwise;
    if (["y", "yes", "n", "no"].includes(answer)) return answer.startsWith("y");
  }
}

async function read(question: string, hidden: boolean): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({
    input: process.stdin,
    output: hidden ? nowhere : process.stderr,
    terminal: true,
    historySize: 0,
  });
  const ended = new AbortController();
  terminal.once("SIGINT", () => ended.abort()).once("close", () => ended.abort());
  if (hidden) process.stderr.write(question);
  try {
    return await terminal.question(hidden ? "" : question, { signal: ended.signal });
  } catch {
    throw new Error("\nInterrupted.");
  } finally {
    terminal.close();
    if (hidden) process.stderr.write("\n");
  }
}

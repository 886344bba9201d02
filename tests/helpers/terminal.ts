import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { quote } from "../../providers/ssh/quote";

/** Milliseconds until a program must have said what is waited for. */
const patience = 60_000;

/** A program on a terminal of its own, which script(1) makes, and a person who types there. */
export class Terminal {
  #text = "";
  #read = 0;
  readonly #child: ChildProcessWithoutNullStreams;
  /** Exit code of the program. */
  readonly ended: Promise<number>;
  #heard: () => void = () => undefined;

  constructor(program: string, args: string[], options: { cwd: string; env: NodeJS.ProcessEnv }) {
    const command = [program, ...args].map(quote).join(" ");
    this.#child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], options);
    this.#child.stdout.setEncoding("utf8").on("data", (data: string) => {
      this.#text += data;
      this.#heard();
    });
    this.ended = new Promise((resolve) =>
      this.#child.on("close", (code) => {
        resolve(code ?? -1);
        this.#heard();
      }),
    );
  }

  /** Everything that was on the screen, without the terminal's control sequences. */
  get text(): string {
    return plain(this.#text);
  }

  /**
   * Waits until the program asks, and answers.
   * @param question its text, or a part of it
   * @throws Error with what is on the screen, when it does not ask
   */
  async answer(question: string, answer: string): Promise<void> {
    const deadline = Date.now() + patience;
    for (;;) {
      const at = this.text.indexOf(question, this.#read);
      if (at >= 0) {
        this.#read = at + question.length;
        this.#child.stdin.write(`${answer}\r`);
        return;
      }
      if (this.#child.exitCode !== null || Date.now() > deadline)
        throw new Error(`It did not ask ${JSON.stringify(question)}, but said:\n${this.text}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - Date.now());
        this.#heard = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Ends the program, if it still runs. */
  close(): void {
    this.#child.kill();
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a terminal gets
const plain = (text: string) => text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replace(/\r/g, "");

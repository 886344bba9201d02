import type { Fact, Host, RunOptions, RunResult } from "../../providers/host";
import {
  type RemoteFile,
  readFilesScript,
  removeFilesScript,
  writeFilesScript,
} from "../../providers/ssh/files";
import { FactCache, GroupCommit } from "../../providers/ssh/group";

/** What a script prints, or how it ends, or a function of its input that tells it. */
export type Answer =
  | string
  | Partial<RunResult>
  | Error
  | ((input: string, script: string) => string | Partial<RunResult> | Promise<string | Partial<RunResult>>);

/** One call of `run`. */
export interface Ran {
  script: string;
  input: string;
  doing: string;
  changes: boolean;
  /** It may share a remote command with others. */
  together: boolean;
}

export interface FakeHostOptions {
  name?: string;
  /** By script; a regular expression's source between slashes, as in `/^apt-get /`, answers whatever it matches. */
  answers?: Record<string, Answer>;
  files?: Record<string, Partial<RemoteFile>>;
  /** Milliseconds; only facts use it. */
  now?: () => number;
}

/**
 * A host for unit tests: records what is run and answers from a table, in which the newest answer to a script is
 * in force. Reading, writing and removing files work on `files`. Facts are shared and groups committed by the same
 * code as on a real host.
 * @throws Error for a script that the table does not have
 */
export class FakeHost implements Host {
  readonly name: string;
  readonly answers: Map<string, Answer>;
  readonly files: Map<string, RemoteFile>;
  /** Everything that was run, in order. */
  readonly ran: Ran[] = [];
  readonly #facts: FactCache;
  readonly #groups = new Map<string, GroupCommit<unknown, unknown>>();

  constructor({ name = "xmpp.example.com", answers = {}, files = {}, now }: FakeHostOptions = {}) {
    this.name = name;
    this.answers = new Map(Object.entries(answers));
    const defaults: RemoteFile = { content: "", mode: "0644", owner: "root", group: "root" };
    this.files = new Map(Object.entries(files).map(([path, file]) => [path, { ...defaults, ...file }]));
    this.#facts = new FactCache(now);
  }

  /** The scripts that were run, in order. */
  get scripts(): string[] {
    return this.ran.map(({ script }) => script);
  }

  /** The scripts that were run as changes, in order. */
  get changes(): string[] {
    return this.ran.filter(({ changes }) => changes).map(({ script }) => script);
  }

  run(script: string, options: RunOptions): Promise<RunResult> {
    const run = () => this.#execute(script, options);
    return options.changes ? this.#facts.change(run) : run();
  }

  fact<T>(fact: Fact<T>): Promise<T> {
    return this.#facts.get(fact, async () => {
      const options = { doing: `reading ${fact.name}`, input: fact.input, together: !fact.alone };
      const { stdout } = await this.run(fact.script, options);
      return fact.parse(stdout);
    });
  }

  group<T, R>(key: string, item: T, commit: (items: T[]) => Promise<(R | Error)[]>): Promise<R> {
    const group = (this.#groups.get(key) ?? new GroupCommit<unknown, unknown>()) as GroupCommit<T, R>;
    this.#groups.set(key, group as GroupCommit<unknown, unknown>);
    return group.add(item, (items) => this.#facts.change(() => commit(items)));
  }

  async #execute(
    script: string,
    { doing, input = "", accept = [0], changes = false, together = false, fix }: RunOptions,
  ) {
    const text = input.toString();
    this.ran.push({ script, input: text, doing, changes, together });
    const answer = this.#onFiles(script, Buffer.from(input)) ?? this.#find(script);
    if (answer instanceof Error) throw answer;
    const given = typeof answer === "function" ? await answer(text, script) : answer;
    const result = {
      code: 0,
      stdout: "",
      stderr: "",
      ...(typeof given === "string" ? { stdout: given } : given),
    };
    if (accept.includes(result.code)) return result;
    throw new Error(
      [`${this.name}: ${doing} failed with exit code ${result.code}.`, result.stderr, fix]
        .filter(Boolean)
        .join("\n"),
    );
  }

  #find(script: string): Answer {
    const exact = this.answers.get(script);
    if (exact !== undefined) return exact;
    for (const [pattern, answer] of [...this.answers].reverse())
      if (/^\/.+\/$/s.test(pattern) && new RegExp(pattern.slice(1, -1), "s").test(script)) return answer;
    throw new Error(`FakeHost has no answer to this script:\n${script}`);
  }

  #onFiles(script: string, input: Buffer): string | undefined {
    if (script === readFilesScript)
      return lines(input)
        .map((path) => this.#show(path))
        .join("");
    if (script === removeFilesScript) for (const path of lines(input)) this.files.delete(path);
    else if (script === writeFilesScript) this.#write(input);
    else return undefined;
    return "";
  }

  #show(path: string): string {
    const file = this.files.get(path);
    if (!file) return "missing\n";
    const content = Buffer.from(file.content).toString("base64");
    return `${file.mode.replace(/^0/, "")} ${file.owner} ${file.group} 0 0\n${content}\n`;
  }

  #write(input: Buffer): void {
    for (let rest = input; rest.length > 0; ) {
      const end = rest.indexOf("\n");
      const [, mode, owner, group, size, path] =
        /^(\S+) (\S+) (\S+) \S+ (\d+) (.*)$/.exec(rest.toString("utf8", 0, end)) ?? [];
      const content = rest.toString("utf8", end + 1, end + 1 + Number(size));
      this.files.set(path!, { content, mode: mode!.padStart(4, "0"), owner: owner!, group: group! });
      rest = rest.subarray(end + 1 + Number(size));
    }
  }
}

const lines = (input: Buffer) => input.toString().split("\n").filter(Boolean);

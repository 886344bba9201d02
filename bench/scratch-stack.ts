import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { root } from "../config/root";
import { engine } from "../tools/engine";

/** How one run of the engine ended. */
export interface Run {
  code: number;
  /** Standard output and error, as a user sees them. */
  text: string;
}

/** A value of the stack config; `{ secret: … }` is stored encrypted, as `pulumi config set --secret` does. */
export type ConfigValue = unknown;

/** A stack of a program on the real engine, with a backend and a stack config of its own, for tests and benchmarks. */
export class Stack {
  /** Environment of the engine, beside this process's own. */
  env: NodeJS.ProcessEnv = {};

  readonly #directory = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-stack-"));
  readonly #project = path.join(this.#directory, "project");
  #config: Record<string, ConfigValue> = {};

  private constructor(private readonly project: string) {}

  /** @param program directory of the program; default: this clone */
  static async create(config: Record<string, ConfigValue>, program = root): Promise<Stack> {
    const yaml = fs.readFileSync(path.join(program, "Pulumi.yaml"), "utf8");
    const stack = new Stack(/^name: *(\S+)/m.exec(yaml)![1]!);
    fs.mkdirSync(path.join(stack.#directory, "state"));
    makeProject(stack.#project, program);
    await stack.must("stack", "init", "test");
    await stack.configure(config);
    return stack;
  }

  /** Sets top-level options of the stack config; those that are not named stay, `undefined` takes one out. */
  async configure(config: Record<string, ConfigValue>): Promise<void> {
    this.#config = { ...this.#config, ...config };
    const file = path.join(this.#project, "Pulumi.test.yaml");
    const salt = /^encryptionsalt:.*$/m.exec(fs.readFileSync(file, "utf8"))?.[0] ?? "";
    const plain = Object.entries(this.#config).map(([key, value]) => [
      `${this.project}:${key}`,
      withoutSecrets(value),
    ]);
    fs.writeFileSync(file, `${salt}\nconfig: ${JSON.stringify(Object.fromEntries(plain))}\n`);
    const secrets = Object.entries(this.#config).flatMap(([key, value]) => [...secretsOf(key, value)]);
    if (secrets.length) {
      await this.must("config", "set-all", "--path", ...secrets.flatMap((leaf) => ["--secret", leaf]));
    }
  }

  /** Starts a tool of the project on this stack, as `npm run NAME` does. */
  start(name: string, ...args: string[]): ChildProcessWithoutNullStreams {
    const tool = [path.join(root, "tools/run.cjs"), name, "--stack", "test"];
    const env = { ...process.env, PULUMI_BACKEND_URL: `file://${this.#directory}/state` };
    return spawn(process.execPath, [...tool, ...args], {
      cwd: this.#project,
      env: { ...env, PULUMI_CONFIG_PASSPHRASE: "test" },
    });
  }

  /** Like {@link tool}, with standard output and error apart. */
  async capture(name: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const child = this.start(name, ...args);
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (data) => {
      stdout += data;
    });
    child.stderr.on("data", (data) => {
      stderr += data;
    });
    const code = await new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)));
    return { code, stdout, stderr };
  }

  /** Runs the engine; a failure is an answer here, not an error. */
  async run(...args: string[]): Promise<Run> {
    const { bin, env } = await engine();
    return this.#run(bin, [...args, "--non-interactive", "--color", "never"], env);
  }

  /** Like {@link run}, over when the engine has ended, whatever it leaves behind. @param started is given the engine */
  async runWith(started: (child: ChildProcess) => void, ...args: string[]): Promise<Run> {
    const { bin, env } = await engine();
    return this.#run(bin, [...args, "--non-interactive", "--color", "never"], env, started);
  }

  /** Like {@link run}, but the engine is killed (SIGKILL) after so many milliseconds, unless it has ended. */
  async runKilled(milliseconds: number, ...args: string[]): Promise<Run & { killed: boolean }> {
    let killed = false;
    const run = await this.runWith(
      (child) => {
        const timer = setTimeout(() => {
          killed = child.kill("SIGKILL");
        }, milliseconds);
        child.on("exit", () => clearTimeout(timer));
      },
      ...args,
    );
    return { ...run, killed };
  }

  /** @param started is given the process; the run is over when it has ended, whatever it leaves behind */
  async #run(
    bin: string,
    args: string[],
    env: NodeJS.ProcessEnv,
    started?: (child: ChildProcess) => void,
  ): Promise<Run> {
    const child = spawn(bin, args, {
      cwd: this.#project,
      env: {
        ...process.env,
        ...env,
        PULUMI_BACKEND_URL: `file://${this.#directory}/state`,
        PULUMI_CONFIG_PASSPHRASE: "test",
        PULUMI_STACK: "test",
        ...this.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    child.stdout.on("data", (data) => {
      text += data;
    });
    child.stderr.on("data", (data) => {
      text += data;
    });
    started?.(child);
    const end = started ? "exit" : "close"; // those that it leaves behind keep its output open
    const code = await new Promise<number>((resolve) => child.on(end, (code) => resolve(code ?? -1)));
    return { code, text };
  }

  /** Runs one of this project's tools, as `npm run NAME` does. */
  async tool(args: string[], more: NodeJS.ProcessEnv = {}): Promise<Run> {
    const { env } = await engine();
    return this.#run(process.execPath, ["tools/run.cjs", ...args], { ...env, ...more });
  }

  /** Like {@link run}; throws with the engine's output when it fails. */
  async must(...args: string[]): Promise<string> {
    const { code, text } = await this.run(...args);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} ended with ${code}:\n${text}`);
    return text;
  }

  up(...args: string[]): Promise<Run> {
    return this.run("up", "--yes", "--skip-preview", ...args);
  }

  preview(...args: string[]): Promise<Run> {
    return this.run("preview", ...args);
  }

  destroy(...args: string[]): Promise<Run> {
    return this.run("destroy", "--yes", "--skip-preview", ...args);
  }

  /** The state, as text. */
  export(): Promise<string> {
    return this.must("stack", "export");
  }

  /**
   * A plain preview that is to find nothing: what it finds, such as `Account alice@example.test update`, and how
   * it says so to a user who asks for details.
   */
  async drift(): Promise<Run & { rows: string[] }> {
    const run = await this.preview("--diff", "--expect-no-changes");
    const step =
      /^ *[-+~]+ pulumi-nodejs:prosody:(\w+): \((\w+)\)\n(?: *\[id=.*\]\n)? *\[urn=.*?::([^:\]]+)\]$/gm;
    const steps = [...run.text.matchAll(step)].filter(([, , op]) => op !== "refresh");
    return { ...run, rows: steps.map(([, kind, op, name]) => `${kind} ${name} ${op}`).sort() };
  }

  remove(): void {
    fs.rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Makes a directory in which the engine finds a program, and no stack config. */
export function makeProject(directory: string, program = root): void {
  fs.mkdirSync(directory);
  fs.copyFileSync(path.join(program, "Pulumi.yaml"), path.join(directory, "Pulumi.yaml"));
  for (const name of ["node_modules", ...fs.readdirSync(program)]) {
    const isOwn = /^(\.|Pulumi\.)/.test(name) || fs.existsSync(path.join(directory, name));
    if (!isOwn)
      fs.symlinkSync(path.join(name === "node_modules" ? root : program, name), path.join(directory, name));
  }
}

/** Wraps a value that `configure` is to store encrypted. */
export const secret = (text: string) => ({ secret: text });

/** `path=text` of every secret below a value. */
function* secretsOf(path: string, value: unknown): Generator<string> {
  if (value === null || typeof value !== "object") return;
  if (isSecret(value)) yield `${path}=${value.secret}`;
  else
    for (const [key, item] of Object.entries(value))
      yield* secretsOf(`${path}[${Array.isArray(value) ? key : JSON.stringify(key)}]`, item);
}

function withoutSecrets(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (isSecret(value)) return undefined;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutSecrets(item)]));
}

function isSecret(value: object): value is { secret: string } {
  return Object.keys(value).length === 1 && "secret" in value && typeof value.secret === "string";
}

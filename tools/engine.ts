import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { root } from "../config/root";
import { type Ran, run } from "../lab/command";
import { cacheDirectory } from "../lab/paths";
import { settingFor } from "./engine-setting";
import { findEngine } from "./find-engine";

export interface Engine {
  /** The program `pulumi`. */
  bin: string;
  /** Such as `3.250.0`. */
  version: string;
  /** Environment to run it in: its programs on PATH, and where state goes, see {@link engine}. */
  env: NodeJS.ProcessEnv;
}

/** Passphrase of the lab's own stack state, which holds nothing but throw-away secrets of lab hosts. */
const labPassphrase = "lab";

/**
 * For Node.js: has program and provider start without what they never use, see later.cjs, and young objects take 32 MB at
 * most. With 8 MB the program takes an eighth more processor time; without a limit, the provider 80 MB more.
 */
export const nodeOptions = `--require=${JSON.stringify(join(root, "tools/later.cjs"))} --max-semi-space-size=16`;

/**
 * Pulumi's engine, installed first if need be. State goes to `~/.cache/prosody-pulumi/state` with a throw-away
 * passphrase, unless PULUMI_BACKEND_URL names a backend: then the passphrase is the user's as well.
 */
export async function engine(): Promise<Engine> {
  const { directory, version } = await findEngine();
  const own = process.env.PULUMI_BACKEND_URL === undefined;
  const state = join(cacheDirectory(), "state");
  if (own) await mkdir(state, { recursive: true });
  const isSet = process.env.PULUMI_CONFIG_PASSPHRASE ?? process.env.PULUMI_CONFIG_PASSPHRASE_FILE;
  return {
    bin: join(directory, "pulumi"),
    version,
    env: {
      ...(own ? { PULUMI_BACKEND_URL: `file://${state}` } : {}),
      ...(own && isSet === undefined ? { PULUMI_CONFIG_PASSPHRASE: labPassphrase } : {}),
      PULUMI_STACK: "dev",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      // Node.js >= 22 keeps what it compiled: a third of the time that program and provider take to start.
      NODE_COMPILE_CACHE: join(cacheDirectory(), "compiled"),
      ...settingFor(0),
      ...process.env,
      NODE_OPTIONS: [nodeOptions, process.env.NODE_OPTIONS].filter(Boolean).join(" "),
      PATH: [directory, process.env.PATH].join(delimiter),
    },
  };
}

interface PulumiOptions {
  /** Directory with Pulumi.yaml; default the clone. */
  cwd?: string;
  /** Added to {@link Engine.env}. */
  env?: NodeJS.ProcessEnv;
  /** Called with each line of output as it comes. */
  onLine?: (line: string) => void;
}

/** Runs `pulumi` with these arguments, without a terminal; any exit code is a result. */
export async function pulumi(args: string[], options: PulumiOptions = {}): Promise<Ran> {
  const { bin, env } = await engine();
  return run(bin, ["--non-interactive", ...args], {
    cwd: options.cwd ?? root,
    env: { ...env, ...options.env },
    accept: "any",
    onLine: options.onLine,
  });
}

/** Makes the stack that PULUMI_STACK names (`dev`) in our own backend, if it isn't there. */
async function ensureStack({ env, bin }: Engine): Promise<void> {
  const stack = env.PULUMI_STACK!;
  const backend = env.PULUMI_BACKEND_URL!;
  if (process.env.PULUMI_BACKEND_URL !== undefined) return;
  const file = join(backend.replace("file://", ""), ".pulumi/stacks/prosody", `${stack}.json`);
  if (existsSync(file)) return;
  await run(bin, ["--non-interactive", "stack", "init", stack], { cwd: root, env });
}

/** Runs `pulumi` on the user's terminal. Returns its exit code. */
export async function pulumiOnTerminal(args: string[]): Promise<number> {
  const found = await engine();
  await ensureStack(found);
  return new Promise((resolve, reject) => {
    const child = spawn(found.bin, args, { cwd: root, env: found.env, stdio: "inherit" });
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
    // A terminal sends ^C to both of us; sent on, it would be a second one, which makes Pulumi drop what it does.
    process.on("SIGINT", () => undefined);
    process.on("SIGTERM", () => child.kill("SIGTERM"));
  });
}

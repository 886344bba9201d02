import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { chmod, copyFile, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { root } from "../config/root";
import { run, say, sayNowAndThen } from "../lab/command";
import { withLock } from "../lab/lock";
import { cacheDirectory } from "../lab/paths";

/** The oldest engine that the program is known to work with. */
const oldest = "3.200.0";

/** What an installation consists of: the engine, the Node.js language host, the launcher of dynamic providers. */
const programs = ["pulumi", "pulumi-language-nodejs", "pulumi-resource-pulumi-nodejs"];

const sources = join(root, "tools/engine");

interface Installation {
  /** Directory of the programs. */
  directory: string;
  /** Version of the engine: `3.250.0`. */
  version: string;
}

/**
 * The engine to use: the user's own on PATH, else the one kept in the cache directory, which comes from Pulumi's
 * installer, or is built from Go modules where Pulumi's site can't be reached.
 * @throws Error that says what to install when there is no way to get one.
 */
export async function findEngine(): Promise<Installation> {
  return (await onPath(process.env.PATH ?? "")) ?? (await kept());
}

/** The engine on a search path, if it is new enough and has its language host beside it or on that path. */
export async function onPath(path: string): Promise<Installation | undefined> {
  const directories = path.split(delimiter);
  const bin = directories.find((directory) => isProgram(join(directory, "pulumi")));
  if (!bin) return undefined;
  const hasAll = programs.every((name) =>
    [bin, ...directories].some((directory) => isProgram(join(directory, name))),
  );
  const { stdout } = await run(join(bin, "pulumi"), ["version"], {
    accept: "any",
    env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" },
  });
  const version = stdout.trim().replace(/^v/, "");
  if (hasAll && isAtLeast(version, oldest)) return { directory: bin, version };
  say(
    `${join(bin, "pulumi")} is ${version || "of unknown version"}${hasAll ? "" : " without its Node.js language host"}; ` +
      `using an engine of our own instead (${oldest} or newer would do).`,
  );
  return undefined;
}

/** Whether a version is not older than another; by its first three numbers. */
export function isAtLeast(version: string, minimum: string): boolean {
  const numbers = (text: string) => text.split(/[.-]/, 3).map(Number);
  const [own, least] = [numbers(version), numbers(minimum)];
  const different = own.findIndex((number, index) => number !== least[index]);
  return different === -1 ? own.length === 3 : own[different]! > least[different]!;
}

/** The version that tools/engine pins. */
export function pinnedVersion(): string {
  const module = readFileSync(join(sources, "pulumi/go.mod"), "utf8");
  return /^require github\.com\/pulumi\/pulumi\/pkg\/v3 v(\S+)/m.exec(module)![1]!;
}

/** The engine in the cache directory, put there first if need be. */
async function kept(): Promise<Installation> {
  const version = pinnedVersion();
  const home = join(cacheDirectory(), "engine", version);
  const installation = { directory: join(home, "bin"), version };
  if (isComplete(installation.directory)) return installation;
  const lock = join(cacheDirectory(), "engine", ".lock");
  return withLock(lock, "Waiting for another process that gets Pulumi's engine.", async () => {
    if (isComplete(installation.directory)) return installation;
    const part = `${home}.part`;
    await rm(part, { recursive: true, force: true });
    await mkdir(join(part, "bin"), { recursive: true });
    if (!(await download(version, part))) await build(version, join(part, "bin"));
    await rm(home, { recursive: true, force: true });
    await rename(part, home);
    return installation;
  });
}

const isComplete = (directory: string) => programs.every((name) => isProgram(join(directory, name)));

/**
 * Runs Pulumi's own installer for the pinned version. PROSODY_ENGINE_SITE names another site that serves it; empty,
 * none is asked.
 * @returns whether it gave a complete installation; a site that does not answer within 4 s is no error.
 */
async function download(version: string, directory: string): Promise<boolean> {
  const site = process.env.PROSODY_ENGINE_SITE ?? "https://get.pulumi.com";
  if (site === "") return false;
  const script = await fetchText(`${site}/install.sh`);
  if (script === undefined) {
    say(`Pulumi's installer at ${site} can't be reached.`);
    return false;
  }
  say(`Installing Pulumi ${version} with its own installer`);
  const { code, stderr } = await run(
    "sh",
    ["-s", "--", "--no-edit-path", "--install-root", directory, "--version", version],
    { input: script, accept: "any", onLine: sayNowAndThen("  ") },
  );
  if (code === 0 && isComplete(join(directory, "bin"))) return true;
  say(`Pulumi's installer failed (exit code ${code}). ${stderr.trim().split("\n").at(-1) ?? ""}`);
  return false;
}

async function fetchText(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(4000) });
    return answer.ok ? await answer.text() : undefined;
  } catch {
    return undefined;
  }
}

/** Builds the three programs from the Go modules that tools/engine pins; go.sum there proves what is built. */
async function build(version: string, bin: string): Promise<void> {
  say(
    `Building Pulumi ${version} from its Go modules; this happens once and takes about five minutes on two cores`,
  );
  try {
    await goBuild("pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", bin, version);
    await goBuild(
      "language-nodejs",
      "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
      bin,
      version,
    );
    const module = await run("go", ["list", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi/sdk/v3"], {
      cwd: join(sources, "language-nodejs"),
    });
    await withoutTypeScript(join(bin, "pulumi-language-nodejs"));
    const launcher = join(bin, "pulumi-resource-pulumi-nodejs");
    await copyFile(join(module.stdout.trim(), "nodejs/dist/pulumi-resource-pulumi-nodejs"), launcher);
    await chmod(launcher, 0o755);
  } catch (error) {
    throw new Error(
      `${(error as Error).message}\nPulumi's engine could not be built. Install Pulumi ${oldest} or newer from its ` +
        "site (https://www.pulumi.com/docs/install/), or Go 1.25 or newer (https://go.dev/doc/install), and try again.",
    );
  }
}

/**
 * This language host is older than the engine, which tells it `typescript: false` (Pulumi.yaml) in a way that it does
 * not know yet: it would load a compiler in each run. So a script of its name passes the option that it knows.
 */
async function withoutTypeScript(program: string): Promise<void> {
  await rename(program, `${program}.bin`);
  await writeFile(program, '#!/bin/sh\nexec "$0.bin" -typescript=false "$@"\n', { mode: 0o755 });
}

async function goBuild(module: string, what: string, bin: string, version: string): Promise<void> {
  const flags = `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${version}`;
  await run("go", ["build", "-v", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o", `${bin}/`, what], {
    cwd: join(sources, module),
    onLine: sayNowAndThen("  "),
  });
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

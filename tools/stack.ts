import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { thisMachine } from "../config/environment";
import { misspelt, namespace } from "../config/namespace";
import { decode, parse } from "../config/parse";
import { report } from "../config/problems";
import type { Server, Settings } from "../config/settings";
import { run } from "../lab/command";
import { cacheDirectory } from "../lab/paths";
import { type Engine, engine } from "./engine";
import { askPassphrase } from "./passphrase";

/** A value of `pulumi config --json`. */
interface ConfigValue {
  value?: string;
  secret: boolean;
}

/** A stack, and the engine that works on it. */
export interface StackPlace extends Pick<Engine, "bin" | "env"> {
  name: string;
  /** Directory with Pulumi.yaml. */
  cwd: string;
}

/** What a stack config says, secrets in clear. */
export interface RawConfig {
  /** Option (without `prosody:`) → value. */
  raw: Record<string, unknown>;
  /** Options that hold a secret somewhere. */
  encrypted: Set<string>;
}

/**
 * Where a stack is.
 * @param stack default: PULUMI_STACK, or dev. One that the lab's own backend doesn't have is looked for where the
 *   user is logged in (`pulumi login`).
 * @param cwd directory with Pulumi.yaml
 */
export async function placeOf(stack: string | undefined, cwd: string): Promise<StackPlace> {
  const { bin, env } = await engine();
  const name = stack ?? env.PULUMI_STACK!;
  const isLab = existsSync(path.join(cacheDirectory(), "state/.pulumi/stacks/prosody", `${name}.json`));
  return { bin, name, cwd, env: isLab ? env : { ...process.env, PATH: env.PATH } };
}

/**
 * The same place with the passphrase of the stack's secrets. Where Pulumi would ask for it, it is asked for here, once
 * for all that a tool has Pulumi do.
 * @param onTerminal whether somebody can be asked
 * @throws Error that says what to set where nobody can
 */
export async function unlocked(
  place: StackPlace,
  onTerminal = process.stdin.isTTY === true,
): Promise<StackPlace> {
  const file = path.join(place.cwd, `Pulumi.${place.name.split("/").at(-1)}.yaml`);
  const isByPassphrase = existsSync(file) && /^encryptionsalt:/m.test(readFileSync(file, "utf8"));
  if (!isByPassphrase || hasPassphrase(place)) return place;
  return withPassphrase(place, false, onTerminal);
}

/** Whether Pulumi is given a passphrase already. */
export const hasPassphrase = ({ env }: StackPlace): boolean =>
  (env.PULUMI_CONFIG_PASSPHRASE ?? env.PULUMI_CONFIG_PASSPHRASE_FILE) !== undefined;

/**
 * The same place with a passphrase that is asked for.
 * @param isNew a new one, which has to be typed twice
 * @param onTerminal as for {@link unlocked}
 */
export async function withPassphrase(
  place: StackPlace,
  isNew: boolean,
  onTerminal: boolean,
): Promise<StackPlace> {
  if (!onTerminal)
    throw new Error(
      "The stack's secrets need a passphrase: set PULUMI_CONFIG_PASSPHRASE_FILE or PULUMI_CONFIG_PASSPHRASE.",
    );
  const question = isNew
    ? "Passphrase for the stack's secrets, which Pulumi will ask for: "
    : "Passphrase of the stack's secrets: ";
  const passphrase = await askPassphrase(question, isNew);
  return { ...place, env: { ...place.env, PULUMI_CONFIG_PASSPHRASE: passphrase.reveal() } };
}

/**
 * The stack config, as the program gets it: secrets are never on a command line.
 * @returns also all of its keys, of whichever namespace
 * @throws Error when there is no such stack, or its secrets can't be decrypted
 */
export async function rawConfigOf({
  bin,
  env,
  name,
  cwd,
}: StackPlace): Promise<RawConfig & { keys: string[] }> {
  const args = ["--non-interactive", "config", "--show-secrets", "--json", "--stack", name];
  const { code, stdout, stderr } = await run(bin, args, { cwd, env, accept: "any" });
  if (code !== 0) throw new Error(`The stack config can't be read: ${stderr.trim()}`);
  const config = JSON.parse(stdout) as Record<string, ConfigValue>;
  const ours = Object.entries(config).filter(([key]) => key.startsWith(namespace));
  const raw = Object.fromEntries(
    ours
      .map(([key, { value }]) => [key.slice(namespace.length), decode(value)] as const)
      .filter(([, value]) => value !== undefined),
  );
  const encrypted = new Set(
    ours.filter(([, { secret }]) => secret).map(([key]) => key.slice(namespace.length)),
  );
  return { raw, encrypted, keys: Object.keys(config) };
}

/**
 * The settings of a stack.
 * @param stack as for {@link placeOf}
 * @param cwd directory with Pulumi.yaml
 * @throws Error as {@link rawConfigOf}, or with all problems of the config
 */
export async function settingsOf(stack: string | undefined, cwd: string): Promise<Settings> {
  const { raw, encrypted, keys } = await rawConfigOf(await unlocked(await placeOf(stack, cwd)));
  const before = process.cwd();
  process.chdir(path.resolve(cwd)); // relative paths in the stack config start at Pulumi.yaml
  try {
    const env = thisMachine();
    const { settings, problems } = parse(raw, env, encrypted);
    const all = [...problems, ...misspelt(keys, env)];
    if (!settings || all.length > 0) throw new Error(report(all));
    return settings;
  } finally {
    process.chdir(before);
  }
}

/**
 * One server of a stack.
 * @param name may be left out where the stack has one
 */
export async function serverOf(stack: string, name: string | undefined): Promise<Server> {
  const { servers } = await settingsOf(stack, process.cwd());
  const found =
    name === undefined && servers.length === 1 ? servers[0] : servers.find((each) => each.name === name);
  if (found) return found;
  const names = servers.map((each) => each.name).join(", ");
  throw new Error(
    name === undefined
      ? `The stack has several servers: add --server with one of ${names}.`
      : `The stack has no server ${name}; it has ${names}.`,
  );
}

import { run } from "../../lab/command";
import { confirm } from "../prompt";
import { setOptions } from "../set-options";
import {
  hasPassphrase,
  placeOf,
  type RawConfig,
  rawConfigOf,
  type StackPlace,
  unlocked,
  withPassphrase,
} from "../stack";
import { changes } from "./stack-config";

/** The stack that is to be configured. */
export interface Target {
  place: StackPlace;
  /** False: it is still to be made. */
  exists: boolean;
  config: RawConfig;
}

/**
 * Finds out whether there is the stack, and what its config says. On a terminal it helps with what Pulumi wants
 * before: a place for the state, and the passphrase that encrypts secrets where that place has no other way.
 * @param onTerminal whether somebody can be asked
 * @throws Error that says what is missing
 */
export async function openStack(name: string, cwd: string, onTerminal: boolean): Promise<Target> {
  const found = await placeOf(name, cwd);
  const backend = await backendOf(found, onTerminal);
  const place = await unlocked(found, onTerminal);
  try {
    return { place, exists: true, config: await rawConfigOf(place) };
  } catch (error) {
    if (!/no stack named/.test((error as Error).message)) throw error;
    const isServed = /^https?:/.test(backend); // Pulumi's service has keys of its own
    return {
      place: isServed || hasPassphrase(place) ? place : await withPassphrase(place, true, onTerminal),
      exists: false,
      config: { raw: {}, encrypted: new Set() },
    };
  }
}

/**
 * Makes the stack where there is none, and sets what is wanted; {@link merged} says what becomes of the rest.
 * @throws Error with what Pulumi says
 */
export async function write(
  { place, exists, config }: Target,
  wanted: Record<string, unknown>,
): Promise<void> {
  const { bin, name } = place;
  const pulumi = (...args: string[]) => run(bin, ["--non-interactive", ...args], place);
  if (!exists) await pulumi("stack", "init", name);
  const { remove, set } = changes(config.raw, wanted);
  if (remove.length > 0) await pulumi("config", "rm-all", "--stack", name, "--path", ...remove);
  await setOptions(place, set);
}

/** Address of the place that the user is logged in to, such as `file://~` or `https://api.pulumi.com`. */
async function backendOf(place: StackPlace, onTerminal: boolean): Promise<string> {
  const who = () => run(place.bin, ["--non-interactive", "whoami", "--json"], { ...place, accept: "any" });
  const { code, stdout, stderr } = await who();
  if (code === 0) return (JSON.parse(stdout) as { url: string }).url;
  if (!/PULUMI_ACCESS_TOKEN must be set/.test(stderr))
    throw new Error(`Pulumi does not get to its state: ${stderr.trim()}`);
  const question =
    "Pulumi keeps a state of what it made, and is not told where yet. In files on this machine (pulumi login --local)?";
  if (!onTerminal || !(await confirm(question, true)))
    throw new Error(
      "Pulumi is not logged in to a place for its state: `pulumi login --local` keeps it in files on this machine, `pulumi login` at Pulumi's service; or set PULUMI_BACKEND_URL.",
    );
  await run(place.bin, ["--non-interactive", "login", "--local"], place);
  return (JSON.parse((await who()).stdout) as { url: string }).url;
}

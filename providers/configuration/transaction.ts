import type { ConfigFile } from "../configuration";
import type { Host } from "../host";
import { luaInput, parseBytes } from "../lua";
import { keepOldStorage, moveStorage } from "./migration";
import type { HostFacts, Model } from "./model";
import { judge } from "./preflight";
import * as scripts from "./scripts";
import { converge } from "./server";

/** What is to be at a path: a file, or what was there before this program (nothing, as a rule). */
export type Target = ConfigFile | "original";

/** What the host says about the files and the service, without asking the server. */
export interface Found {
  files: Record<string, ConfigFile>;
  /** A change of them did not come to its end; the state of the service before it. */
  cutOff: string | undefined;
  /** This program has been here: it keeps what was there before. */
  known: boolean;
  /** As `systemctl is-active` says: active, inactive, failed, …; "masked" for one that can't be started. */
  service: string;
  model: Model | undefined;
}

const fix = `Is Prosody installed? Its package makes ${scripts.directory} and the group prosody.`;

/** The staged configuration is refused: nothing was changed. */
export class Refusal extends Error {}

/** How closely a configuration is looked at: `load` for a change of it, to which the code of the modules matters. */
export type Mode = "load" | "look";

/** The files at these paths, and what Prosody makes of the main one. */
export async function find(host: Host, paths: string[], mode: Mode = "load"): Promise<Found | undefined> {
  const { code, stdout } = await host.run(scripts.read, {
    doing: "reading Prosody's configuration",
    input: Buffer.concat([lines(...paths.map(relative), "end"), inspectInput(scripts.mainFile, mode)]),
    accept: [0, scripts.noDirectory],
    together: true,
  });
  return code === 0 ? found(stdout) : undefined;
}

export function found(stdout: string): Found {
  const all = stdout.split("\n");
  const files = all.flatMap((line) => {
    const match = /^file (\S+) (\d+) (\S+) (\S+) (\S*)$/.exec(line);
    if (!match) return [];
    const [, name, mode, owner, group, content] = match as unknown as string[];
    const file = {
      content: Buffer.from(content!, "base64").toString("utf8"),
      mode: mode!.padStart(4, "0"),
      owner: owner!,
      group: group!,
    };
    return [[`${scripts.directory}/${name}`, file] as const];
  });
  const after = (label: string) => all.find((line) => line.startsWith(label))?.slice(label.length);
  return {
    files: Object.fromEntries(files),
    cutOff: after("cut off "),
    known: all.includes("known"),
    service: after("service ") ?? "unknown",
    model: marked(stdout, "model") as Model | undefined,
  };
}

/**
 * Brings all files to the host and makes them live, or none: what Prosody refuses leaves everything as it is,
 * and what it can't run is taken back.
 * @param secret paths of files that no error may quote
 * @param own paths where nothing of anybody else's can have been: their originals are not kept
 * @returns warnings of the check
 * @throws Refusal when the candidate does not pass the checks
 * @throws Error that says why, and what is in force
 */
export async function change(
  host: Host,
  targets: Record<string, Target>,
  secret: string[],
  before: Found,
  own: string[] = [],
): Promise<string[]> {
  const { model, warnings } = await stage(host, targets, secret);
  const wanted = knowing(model, before.model);
  const listed = (paths: string[]) =>
    lines(...paths.map((path) => `${kind(targets[path]!)} ${relative(path)}`));
  const paths = Object.keys(targets);
  // A stopped server is the affair of its service, except where the package never started it, or a cut-off
  // change may have been what stopped it. One that is masked is its service's to unmask.
  const isUp = isRunning(before);
  const isFirst = !before.known && before.service !== "masked";
  const isMoved = await move(host, before, model);
  try {
    await host.run(scripts.swap, {
      doing: "replacing Prosody's configuration",
      // As it was found: a move of the data has stopped it by now.
      input: Buffer.concat([lines(isUp ? "active" : before.service), listed(paths)]),
      changes: true,
    });
    if (isUp || isFirst || before.cutOff === "active") await converge(host, wanted, !isUp);
  } catch (error) {
    const outcome = await takeBack(host, model, isMoved && isUp).catch(
      (failure: Error) =>
        `The previous configuration could not be put back; the next update goes on: ${failure.message}`,
    );
    throw new Error(`${(error as Error).message}. ${outcome}`);
  }
  await host.run(scripts.settle, {
    doing: "keeping the original configuration",
    input: Buffer.concat([
      lines(isMoved ? "more" : "done"),
      listed(paths.filter((path) => !own.includes(path))),
    ]),
    changes: true,
  });
  if (isMoved) {
    await keepOldStorage(host);
    await forget(host);
  }
  return warnings;
}

/** Whether the service runs, or is on its way to. */
function isRunning({ service }: Found): boolean {
  return ["active", "reloading", "activating"].includes(service);
}

/** Moves the data if the staged configuration may keep them elsewhere. Returns whether {@link keepOldStorage} follows. */
async function move(host: Host, { model, cutOff }: Found, staged: Model): Promise<boolean> {
  const mayMove = !model || cutOff !== undefined || storageOf(model) !== storageOf(staged);
  return mayMove && moveStorage(host).catch((error) => discard(host, error));
}

/** What a destroy says of data that can't move: there is no other storage to choose. */
function goBack({ message }: Error): never {
  throw new Error(
    `the data can't go back to the storage of the configuration from before the stack, so nothing was destroyed of it: ${message}\n` +
      "Fix: see that this storage can be used, and empty it if it still holds what was moved out of it then (a dump first does no harm); then run this again.",
  );
}

/** Digest of where a configuration keeps the data. */
function storageOf({ options }: Model): string {
  const names = ["storage", "default_storage", "sql", "data_path"];
  return JSON.stringify(
    Object.keys(options)
      .sort()
      .map((host) => names.map((name) => options[host]![name] ?? "")),
  );
}

async function discard(host: Host, error: Error): Promise<never> {
  const options = { doing: "removing the candidate of Prosody's configuration" };
  await host.run(scripts.discard, options).catch(() => undefined); // the error is what counts
  throw error;
}

async function stage(
  host: Host,
  targets: Record<string, Target>,
  secret: string[],
): Promise<{ model: Model; warnings: string[] }> {
  const candidates = Object.entries(targets).map(([path, target]) => candidate(relative(path), target));
  const { stdout } = await host.run(scripts.stage + scripts.inspect, {
    doing: "checking Prosody's configuration",
    input: Buffer.concat([lines(...candidates, "end"), inspectInput(scripts.stagedFile, "check")]),
    fix,
  });
  const model = marked(stdout, "model") as Model | undefined;
  const facts = marked(stdout, "host") as HostFacts | undefined;
  const { refusals, warnings } = judge(facts, model, stdout.replace(/^@.*$/gm, ""));
  if (refusals.length === 0) return { model: model!, warnings };
  await host.run(scripts.discard, { doing: "removing the candidate of Prosody's configuration" });
  // Lua quotes the text at which it stumbles.
  const reasons = refusals.map((reason) =>
    secret.some((path) => reason.includes(path)) ? reason.replace(/ near .*/, "") : reason,
  );
  throw new Refusal(
    `the configuration is refused and nothing was changed:\n${reasons.map((reason) => `- ${reason}`).join("\n")}`,
  );
}

/**
 * Brings the previous files and the previous state of the service back. Says what is in force.
 * @param isStopped whether the service was stopped before any file was replaced
 */
async function takeBack(host: Host, failed: Model, isStopped: boolean): Promise<string> {
  const { stdout } = await host.run(scripts.restore, {
    doing: "putting Prosody's previous configuration back",
    changes: true,
  });
  const service = stdout.trim();
  if (!service) {
    if (isStopped) await startAgain(host);
    return "Nothing was changed.";
  }
  const before = await find(host, []);
  let outcome = "The previous configuration is back in force.";
  if (service !== "active") {
    await host.run("systemctl stop prosody; systemctl reset-failed prosody || true", {
      doing: "stopping Prosody as before",
      changes: true,
    });
    outcome = "The previous files are back, and the service is stopped as before.";
  } else if (before?.model) {
    const model = knowing(before.model, failed);
    await converge(host, model)
      .catch(() => converge(host, model, true))
      .catch((error: Error) => {
        outcome = `The previous files are back, but the server does not run them: ${error.message}`;
      });
  }
  await forget(host);
  return outcome;
}

async function startAgain(host: Host): Promise<void> {
  await host.run("systemctl start prosody", { doing: "starting Prosody again", changes: true });
}

async function forget(host: Host): Promise<void> {
  await host.run(scripts.forget, { doing: "ending the change of Prosody's configuration", changes: true });
}

/** A model that also knows what the modules of another one read, and where that one logs: it is to be left. */
function knowing(model: Model, other: Model | undefined): Model {
  return {
    ...model,
    reads: { ...other?.reads, ...model.reads },
    logs: [...new Set([...model.logs, ...(other?.logs ?? [])])],
  };
}

/** Keeps what is there as the original, without touching it. */
export async function adopt(host: Host, paths: string[]): Promise<void> {
  await host.run(scripts.settle, {
    doing: "keeping the original configuration",
    input: lines("done", ...paths.map((path) => `put ${relative(path)}`)),
    changes: true,
  });
}

/**
 * Puts back what was at these paths before this program, and keeps an archive of what it takes away. Without
 * checks: the original is not ours to judge. The data move to the storage of a server that was there before.
 * @throws Error when they can't, or when the server was running and does not run with the original
 */
export async function putBack(host: Host, paths: string[]): Promise<void> {
  const names = paths.map(relative);
  const left = await find(host, []);
  const { code, stdout } = await host.run(scripts.archive, {
    doing: "archiving Prosody's configuration",
    input: lines(...names),
    accept: [0, scripts.noDirectory],
  });
  if (code !== 0 || !stdout.trim()) return;
  const list = lines(...names.map((name) => `drop ${name}`));
  const { stdout: checked } = await host.run(scripts.stage + scripts.inspect, {
    doing: "fetching the original configuration",
    input: Buffer.concat([list, lines("end"), inspectInput(scripts.stagedFile, "load")]),
    changes: true,
  });
  const staged = marked(checked, "model") as Model | undefined;
  const isUp = left !== undefined && isRunning(left);
  const isMoved =
    left !== undefined && staged !== undefined && (await move(host, left, staged).catch(goBack));
  try {
    await host.run(scripts.swap, {
      doing: "putting the original configuration back",
      input: Buffer.concat([lines(isUp ? "active" : "inactive"), list]),
      changes: true,
    });
  } catch (error) {
    if (isMoved && isUp) await startAgain(host).catch(() => undefined);
    throw error;
  }
  await host.run(scripts.settle, {
    doing: "forgetting the original configuration",
    input: Buffer.concat([lines(isMoved ? "more" : "done"), list]),
    changes: true,
  });
  const original = await find(host, []);
  if (original?.model && (isRunning(original) || (isMoved && isUp))) {
    const model = knowing(original.model, left?.model);
    await converge(host, model, !isRunning(original))
      .catch(() => converge(host, model, true))
      .catch((error: Error) => {
        throw new Error(
          `the original configuration is back, but Prosody does not run with it: ${error.message}`,
        );
      });
  }
  if (!isMoved) return;
  await keepOldStorage(host);
  await forget(host);
}

function candidate(name: string, target: Target): string {
  if (target === "original") return `drop ${name}`;
  const content = Buffer.from(target.content).toString("base64");
  return `put ${name} ${target.mode} ${target.owner} ${target.group} ${content}`;
}

function kind(target: Target): string {
  return target === "original" ? "drop" : "put";
}

function relative(path: string): string {
  return path.slice(scripts.directory.length + 1);
}

function lines(...all: string[]): Buffer {
  return Buffer.from(all.map((line) => `${line}\n`).join(""));
}

function inspectInput(file: string, mode: "check" | Mode): Buffer {
  return luaInput(["common", "prosody", "inspect"], lines(file, mode));
}

/** The JSON of the line that starts with "@name". */
function marked(stdout: string, name: string): unknown {
  const line = stdout.split("\n").find((each) => each.startsWith(`@${name} `));
  return line && parseBytes(line.slice(name.length + 2));
}

import type { ConfigFile } from "../configuration";
import type { Host } from "../host";
import { loadCertificates } from "../load-certificates";
import { warnOnce } from "../warn";
import { type Found, find, inspectInput, isRunning, lines, type Mode, marked, relative } from "./found";
import { refusedLockOuts } from "./log-ins";
import { discard, keepOldStorage, moveIfOther } from "./migration";
import { type HostFacts, knowing, type Model } from "./model";
import { judge, misspelt } from "./preflight";
import * as scripts from "./scripts";
import { converge, startAgain } from "./server";

/** What is to be at a path: a file, or what was there before this program (nothing, as a rule). */
export type Target = ConfigFile | "original";

const fix = `Is Prosody installed? Its package makes ${scripts.directory} and the group prosody.`;

/** The staged configuration is refused: nothing was changed. */
export class Refusal extends Error {}

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
  const lockedOut = await refusedLockOuts(host, before, model);
  if (lockedOut.length > 0) await giveUp(host, lockedOut);
  const wanted = knowing(model, before.model);
  const listed = (paths: string[]) =>
    lines(...paths.map((path) => `${kind(targets[path]!)} ${relative(path)}`));
  const paths = Object.keys(targets);
  // A stopped server is the affair of its service, except where the package never started it, or a cut-off
  // change may have been what stopped it. One that is masked is its service's to unmask.
  const isUp = isRunning(before);
  const isFirst = !before.known && before.service !== "masked";
  const isMoved = await moveIfOther(host, before, model);
  try {
    await host.run(scripts.swap, {
      doing: "replacing Prosody's configuration",
      // As it was found: a move of the data has stopped it by now.
      input: Buffer.concat([lines(isUp ? "active" : before.service), listed(paths)]),
      changes: true,
    });
    if (isUp || isFirst || before.cutOff === "active") await converge(host, wanted, !isUp, true);
  } catch (error) {
    const outcome = await takeBack(host, model, isMoved && isUp).catch(
      (failure: Error) =>
        `The previous configuration could not be put back; the next update goes on: ${failure.message}`,
    );
    throw new Error(`${(error as Error).message}. ${outcome}`);
  }
  const { stdout: left } = await host.run(scripts.settle, {
    doing: "keeping the original configuration",
    input: Buffer.concat([
      lines(isMoved ? "more" : "done"),
      listed(paths.filter((path) => !own.includes(path))),
    ]),
    changes: true,
  });
  if (isMoved) await endMove(host);
  if (left.includes(scripts.certificatesPending)) await loadCertificates(host);
  return warnings;
}

async function stage(
  host: Host,
  targets: Record<string, Target>,
  secret: string[],
): Promise<{ model: Model; warnings: string[] }> {
  const candidates = Object.entries(targets).map(([path, target]) => candidate(relative(path), target));
  const stdout = await stageFiles(host, candidates, {
    doing: "checking Prosody's configuration",
    mode: "check",
    fix,
  });
  const model = marked(stdout, "model") as Model | undefined;
  const facts = marked(stdout, "host") as HostFacts | undefined;
  const { refusals, warnings } = judge(facts, model, stdout.replace(/^@.*$/gm, ""));
  if (refusals.length === 0) {
    for (const text of misspelt(model!)) warnOnce(`${host.name}: ${text}.`);
    return { model: model!, warnings };
  }
  // Lua quotes the text at which it stumbles.
  const reasons = refusals.map((reason) =>
    secret.some((path) => reason.includes(path)) ? reason.replace(/ near .*/, "") : reason,
  );
  return giveUp(host, reasons);
}

/** Takes the candidate away. */
async function giveUp(host: Host, reasons: string[]): Promise<never> {
  await discard(host);
  throw new Refusal(
    `the configuration is refused and nothing was changed:\n${reasons.map((reason) => `- ${reason}`).join("\n")}`,
  );
}

/**
 * Stages candidates, and returns what the host says of them.
 * @throws Error while a run that was cut off still moves the data
 */
export async function stageFiles(
  host: Host,
  candidates: string[],
  { mode, ...options }: { doing: string; mode: "check" | Mode; fix?: string; changes?: boolean },
): Promise<string> {
  const { code, stdout } = await host.run(scripts.stage + scripts.inspect, {
    ...options,
    input: Buffer.concat([lines(...candidates, "end"), inspectInput(scripts.stagedFile, mode)]),
    accept: [0, scripts.moving],
  });
  if (code === scripts.moving) throw new Error(`nothing was changed: ${scripts.stillMoving}`);
  return stdout;
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

/** Ends a change by which the data have moved. */
export async function endMove(host: Host): Promise<void> {
  await keepOldStorage(host);
  await forget(host);
}

/** Ends a change that has no way back any more. */
async function forget(host: Host): Promise<void> {
  await host.run(scripts.forget, { doing: "ending the change of Prosody's configuration", changes: true });
}

/** Keeps what is there as the original, without touching it. */
export async function adopt(host: Host, paths: string[]): Promise<void> {
  await host.run(scripts.settle, {
    doing: "keeping the original configuration",
    input: lines("adopted", ...paths.map((path) => `put ${relative(path)}`)),
    changes: true,
  });
}

function candidate(name: string, target: Target): string {
  if (target === "original") return `drop ${name}`;
  const content = Buffer.from(target.content).toString("base64");
  return `put ${name} ${target.mode} ${target.owner} ${target.group} ${content}`;
}

function kind(target: Target): string {
  return target === "original" ? "drop" : "put";
}

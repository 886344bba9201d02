import { adminShell, isUnavailable, type Reply } from "../admin-shell";
import type { Host } from "../host";
import { luaSource, luaString, parseBytes } from "../lua";
import { activation, differences, type Step } from "./activation";
import { clientStreams, lockedOut } from "./client-streams";
import { ailments } from "./health";
import type { Model, Running } from "./model";
import { notRunning, restart, startNow } from "./scripts";

/** Lua that runs in the server, sent in this order over one connection: later parts use what earlier ones define. */
const part = (name: string) => `> ${luaSource(name)}`;

/**
 * What the running server runs; `undefined` when it can't be asked.
 * @param isToChange whether it is to remember the configuration that it was set up with, see remember.lua
 * @param streams a command of {@link clientStreams}
 */
export async function running(
  host: Host,
  isToChange = false,
  streams?: string,
): Promise<Running | undefined> {
  const programs = ["common", ...(isToChange ? ["remember"] : []), "running"];
  const commands = [...programs.map(part), ...(streams ? [streams] : [])];
  const replies = await ask(host, commands, {
    doing: "asking Prosody what it runs",
    program: streams && "client-streams",
  });
  if (!replies) return undefined;
  const now = parse(replies[programs.length - 1]!) as Running;
  return streams ? { ...now, lockedOut: lockedOut(replies.at(-1)!.text) } : now;
}

/**
 * True unless the server provably runs something else than the configuration says. External components are objects
 * of their own, see {@link serves}.
 */
export function fits(now: Running, wanted: Model): boolean {
  const external = new Set(Object.keys(wanted.hosts).filter((host) => isExternal(wanted, host)));
  const [running, model] = narrowed(now, wanted, (host) => !external.has(host));
  return activation(running, model).length === 0 && ailments(running, model).length === 0;
}

/** True unless the server provably does not have this host, or has it as something else than the configuration says. */
export function serves(now: Running, wanted: Model, host: string): boolean {
  const [running, model] = narrowed(now, wanted, (name) => name === host);
  return (
    differences(running, model).length === 0 && ailments({ ...running, services: {} }, model).length === 0
  );
}

/** Served by a program that connects from outside (XEP-0114). */
function isExternal(wanted: Model, host: string): boolean {
  return wanted.hosts[host]?.component === "component";
}

function narrowed(now: Running, wanted: Model, concerns: (host: string) => boolean): [Running, Model] {
  const some = <T>(hosts: Record<string, T>): Record<string, T> =>
    Object.fromEntries(Object.entries(hosts).filter(([host]) => concerns(host)));
  const shared = Object.entries(now.hosts).filter(([host]) => host === "*");
  return [
    { ...now, hosts: { ...Object.fromEntries(shared), ...some(now.hosts) }, options: some(now.options) },
    { ...wanted, hosts: some(wanted.hosts), options: some(wanted.options) },
  ];
}

/**
 * Makes the files that are in place live in the running server, by the gentlest steps that are enough, and sees
 * that it does what they say.
 * @param restartFirst when the server does not run, or must not be trusted any more
 * @param isNew whether a configuration with which nobody can log in is a failure; not where it is one to go back to
 * @throws Error with Prosody's own reasons
 */
export async function converge(
  host: Host,
  wanted: Model,
  restartFirst = false,
  isNew = false,
): Promise<void> {
  const streams = isNew ? clientStreams(wanted) : undefined;
  let logged = restartFirst ? await restartServer(host, wanted) : [];
  let now = await running(host, false, restartFirst ? streams : undefined);
  let steps = activation(now, wanted);
  // Hosts and modules, then the ports that they open, then nothing.
  for (let round = 0; steps.length > 0 && round < 3; round++) {
    const isRestart = steps[0]![0] === "restart";
    logged = logged.concat(isRestart ? await restartServer(host, wanted) : await carryOut(host, steps));
    now = await running(host, false, streams);
    steps = activation(now, wanted);
  }
  const problems = now
    ? ailments(now, wanted)
    : isAskable(wanted)
      ? ["its admin socket does not answer"]
      : [];
  if (now && problems.length === 0 && steps.length > 0) problems.push(unfinished(steps));
  const tls = logged.filter((line) => /SSL\/TLS|TLS context|creating contexts? for/.test(line));
  if (problems.length + tls.length > 0) throw new Error(reasons([...problems, ...tls], logged));
}

/** The server takes every step, and still does not do what its files say. */
const unfinished = (steps: Step[]) =>
  `Prosody still does not run what its configuration says; what is left to do: ${steps
    .map((step) => step.join(" "))
    .slice(0, 6)
    .join(", ")}`;

/** @throws Error when a step fails */
async function carryOut(host: Host, steps: Step[]): Promise<string[]> {
  const programs = ["common", "remember", "apply"].map(part);
  const replies = await ask(host, [...programs, ...commands(steps), "> return report()"], {
    doing: "making Prosody's configuration live",
    timeout: 60,
    changes: true,
  });
  if (!replies) return [];
  const { failures, logged } = parse(replies.at(-1)!) as { failures: string[]; logged: string[] };
  if (failures.length > 0) throw new Error(reasons(failures, logged));
  return logged;
}

/** Calls of `apply` with some steps each: Prosody limits the length of a command. */
export function commands(steps: Step[]): string[] {
  const literals = steps.map((step) => `{${step.map(luaString).join(",")}}`);
  const chunks: string[][] = [[]];
  for (const literal of literals) {
    if (chunks.at(-1)!.join(",").length + literal.length > 6000) chunks.push([]);
    chunks.at(-1)!.push(literal);
  }
  return chunks.map((chunk) => `> apply{${chunk.join(",")}}`);
}

/** Restarts the service and waits until it can be asked. Returns what it logged as an error. */
async function restartServer(host: Host, wanted: Model): Promise<string[]> {
  const { code, stdout, stderr } = await host.run(restart, {
    doing: "restarting Prosody",
    // systemd's 90 s for one that does not stop, and those of the script.
    timeout: 150,
    input: [isAskable(wanted) ? "socket" : "none", ...wanted.logs, ""].join("\n"),
    accept: [0, notRunning],
    changes: true,
  });
  const logged = stdout.split("\n").filter((line) => line.trim());
  if (code !== 0) {
    const said = stderr.trim() && `; systemd says: ${stderr.trim()}`;
    throw new Error(
      reasons([`Prosody does not run after a restart; see journalctl -u prosody on the host${said}`], logged),
    );
  }
  return logged;
}

/** For a service that was stopped for a change which did not come about. */
export async function startAgain(host: Host): Promise<void> {
  await host.run(startNow, { doing: "starting Prosody again", changes: true });
}

/** The server will have an admin socket. */
function isAskable(wanted: Model): boolean {
  return Object.values(wanted.hosts).some(({ modules }) => modules.includes("admin_shell"));
}

/** What is wrong, and what Prosody said meanwhile: first lines, not its stack traces. */
function reasons(problems: string[], logged: string[]): string {
  const said = logged
    .map((line) =>
      line
        .split("\n")[0]!
        .replace(/^.*?(\S+)\terror\t/, "$1: ")
        .trim(),
    )
    .filter((line, index, all) => all.indexOf(line) === index && !problems.includes(line))
    .slice(0, 6);
  const wrong = problems.map((problem) => problem.split("\n")[0]).join("; ");
  return said.length > 0 ? `${wrong}. Prosody logged: ${said.join("; ")}` : wrong;
}

async function ask(
  host: Host,
  list: string[],
  options: { doing: string; timeout?: number; changes?: boolean; program?: string },
): Promise<Reply[] | undefined> {
  try {
    const replies = await adminShell(host, list, options);
    const failed = replies.find(({ ok }) => !ok);
    if (failed) throw new Error(`${options.doing} on ${host.name}: Prosody answered: ${failed.text}`);
    return replies;
  } catch (error) {
    if (isUnavailable(error)) return undefined;
    throw error;
  }
}

function parse(reply: Reply): unknown {
  return parseBytes(reply.text.slice(reply.text.indexOf("{")));
}

import { autoloaded } from "../../config/module-names";
import type { Model, Running, RunningPort } from "./model";
import { effectOf } from "./options";

/** One step that makes a configuration live. `apply.lua` carries out all but `restart`. */
export type Step =
  | ["restart", why: string]
  | ["reload"]
  | ["deactivate" | "activate" | "authenticate" | "disconnect", host: string]
  | ["load" | "unload" | "reloadModule", host: string, module: string]
  | ["close" | "listen", service: string]
  | ["settle"];

/** Taking these out of a running server would end sessions or the connection that does it. */
const irremovable = new Set(["c2s", "s2s", "admin_shell", "admin_socket"]);

/**
 * The gentlest steps after which the running server runs the wanted configuration, whose files are in place;
 * none when it does. Whoever carries them out asks again until there are none: ports are looked at once the
 * rest is done, because modules open them.
 * @param running `undefined` when the server does not answer
 */
export function activation(running: Running | undefined, wanted: Model): Step[] {
  if (!running) return [["restart", "its admin socket does not answer"]];
  // A package that was upgraded without a restart: what the server would load now is not made for what it runs.
  if (running.version !== wanted.version) return [["restart", `Prosody ${wanted.version} is installed`]];
  const active = Object.keys(running.hosts)
    .filter((host) => host !== "*")
    .sort();
  const stay = active.filter((host) => wanted.hosts[host]);
  const leave = active.filter((host) => !wanted.hosts[host]);
  const leaving = new Set(surplusModules(running, wanted, leave, stay).map((pair) => pair.join(" ")));

  const different = differences(running, wanted);
  // A host that comes or goes does so as a whole, whatever its options are.
  const effects = different
    .filter(({ host }) => host === "*" || stay.includes(host))
    .map((change) => effectOf(change, running, wanted, leaving));
  const restarts = effects.filter((effect) => effect[0] === "restart");
  if (restarts.length > 0) return [restarts[0]!];

  const cycled = new Set(effects.flatMap((effect) => (effect[0] === "cycle" ? [effect[1]] : [])));
  const gone = active.filter((host) => leave.includes(host) || cycled.has(host));
  const kept = stay.filter((host) => !cycled.has(host));
  const come = parentsFirst(
    Object.keys(wanted.hosts).filter((host) => !running.hosts[host] || cycled.has(host)),
  );
  const surplus = surplusModules(running, wanted, gone, kept);
  const irreplaceable = surplus.find(([, module]) => irremovable.has(module));
  if (irreplaceable) return [["restart", `module ${irreplaceable[1]} goes`]];
  const missing = kept.flatMap((host) =>
    wanted.hosts[host]!.modules.filter((module) => !isLoaded(running, host, module)).map(
      (module): Step => ["load", host, module],
    ),
  );
  const reloads = effects
    .flatMap((effect) => (effect[0] === "modules" ? effect[1] : []))
    .concat(failedModules(running, wanted))
    .filter(([host]) => host === "*" || kept.includes(host))
    .filter(([host, module]) => running.hosts[host]!.modules[module])
    .filter(([host, module]) => !surplus.some(([from, name]) => from === host && name === module));
  const disconnects = effects.flatMap((effect) => (effect[0] === "disconnect" ? [effect[1]] : []));

  const steps: Step[] = [
    ...gone.map((host): Step => ["deactivate", host]),
    ...surplus.map(([host, module]): Step => ["unload", host, module]),
    ...unique(reloads).map(([host, module]): Step => ["reloadModule", host, module]),
    ...missing,
    ...kept.filter(lacksAuthentication(running)).map((host): Step => ["authenticate", host]),
    ...come.map((host): Step => ["activate", host]),
    ...disconnects.filter((host) => kept.includes(host)).map((host): Step => ["disconnect", host]),
  ];
  if (different.length > 0) return [["reload"], ...steps, ["settle"]];
  return steps.length > 0 ? steps : portSteps(running);
}

/** An option of a host ("*": global) whose value the server was not, or not only, set up with. */
export interface ChangedOption {
  host: string;
  option: string;
}

/** Everything that differs between the files and what the server was set up with. */
export function differences(running: Running, wanted: Model): ChangedOption[] {
  const hosts = [...new Set([...Object.keys(running.options), ...Object.keys(wanted.options)])].sort();
  return hosts.flatMap((host) => {
    const was = running.options[host] ?? {};
    const is = wanted.options[host] ?? {};
    return [...new Set([...Object.keys(was), ...Object.keys(is)])]
      .filter((option) => is[option] !== "?")
      .filter((option) => (was[option] ?? [""]).some((digest) => digest !== (is[option] ?? "")))
      .sort()
      .map((option) => ({ host, option }));
  });
}

export function isLoaded(running: Running, host: string, module: string): boolean {
  return Boolean(running.hosts[host]?.modules[module] ?? running.hosts["*"]?.modules[module]);
}

/**
 * Modules that were enabled, or came as something that an enabled one needs, and that nothing needs any more.
 * What somebody loaded by hand is not ours to unload.
 */
function surplusModules(running: Running, wanted: Model, gone: string[], kept: string[]): [string, string][] {
  const shared = running.hosts["*"]?.modules ?? {};
  const withNeeds = (host: string, modules: string[]): Set<string> => {
    const all = new Set<string>();
    const add = (module: string): void => {
      if (all.has(module)) return;
      all.add(module);
      for (const part of [running.hosts[host]?.modules[module], shared[module]]) part?.needs.forEach(add);
    };
    modules.forEach(add);
    return all;
  };
  const neededOn = new Map(kept.map((host) => [host, withNeeds(host, wanted.hosts[host]!.modules)]));
  const onHosts = kept.flatMap((host) => {
    const asked = withNeeds(host, [...running.hosts[host]!.enabled, ...autoloaded]);
    return Object.keys(running.hosts[host]!.modules)
      .filter((module) => asked.has(module) && !neededOn.get(host)!.has(module))
      .map((module): [string, string] => [host, module]);
  });

  const stillNeeded = new Set(Object.values(wanted.hosts).flatMap(({ modules }) => modules));
  for (const needed of neededOn.values()) for (const module of needed) stillNeeded.add(module);
  for (const module of withNeeds("*", [...stillNeeded])) stillNeeded.add(module);
  const asked = new Set(
    [...kept, ...gone].flatMap((host) => {
      const { enabled, modules } = running.hosts[host]!;
      const own = gone.includes(host) ? Object.keys(modules).filter((name) => !isProvider(name)) : [];
      return [...withNeeds(host, [...enabled, ...autoloaded, ...own])];
    }),
  );
  const onAll = Object.keys(shared)
    .filter((module) => asked.has(module) && !stillNeeded.has(module))
    .map((module): [string, string] => ["*", module]);
  // The hosts' parts of a shared module go before what they share.
  return [...onHosts.sort(byHostThenName), ...onAll.sort(byHostThenName)];
}

/** Prosody loads the authentication with the host, and does not try again. */
export const lacksAuthentication = (running: Running) => (host: string) =>
  running.hosts[host]?.users === "null";

/** Prosody itself loads providers of storage, authentication and authorization. */
function isProvider(module: string): boolean {
  return /^(storage|auth|authz)_/.test(module);
}

function failedModules(running: Running, wanted: Model): [string, string][] {
  return Object.entries(running.hosts).flatMap(([host, { modules }]) =>
    Object.entries(modules)
      .filter(([module, { failed }]) => failed && (wanted.hosts[host]?.modules.includes(module) ?? false))
      .map(([module]): [string, string] => [host, module]),
  );
}

/** All that change are closed before any is opened: one may take the port of another. */
function portSteps(running: Running): Step[] {
  const changed = Object.entries(running.services)
    .filter(([, { wanted, active }]) => missingPorts(wanted, active).length > 0 || extra(wanted, active))
    .map(([service]) => service)
    .sort();
  return [
    ...changed.map((service): Step => ["close", service]),
    ...changed.map((service): Step => ["listen", service]),
  ];
}

/** Wanted ports that are not open. A default interface may be missing as long as another has the port. */
export function missingPorts(wanted: RunningPort[], active: RunningPort[]): RunningPort[] {
  const isActive = (port: RunningPort) => active.some((other) => samePort(port, other));
  return wanted.filter(
    (port) => !isActive(port) && !(port.optional && active.some((other) => other.port === port.port)),
  );
}

function extra(wanted: RunningPort[], active: RunningPort[]): boolean {
  return active.some((port) => !wanted.some((other) => samePort(port, other)));
}

function samePort(a: RunningPort, b: RunningPort): boolean {
  return a.interface === b.interface && a.port === b.port;
}

/** A component asks for the certificate of its parent, and its parent lists it: the parent comes first. */
function parentsFirst(hosts: string[]): string[] {
  return hosts.sort((a, b) => a.split(".").length - b.split(".").length || (a < b ? -1 : 1));
}

/** "*" first: a host's part of a shared module is made anew from the shared part. */
function byHostThenName([hostA, a]: [string, string], [hostB, b]: [string, string]): number {
  if (hostA !== hostB) return hostA < hostB ? -1 : 1;
  return a < b ? -1 : 1;
}

function unique(pairs: [string, string][]): [string, string][] {
  return [...new Map(pairs.map((pair) => [pair.join(" "), pair])).values()].sort(byHostThenName);
}

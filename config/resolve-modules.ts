import { features } from "./features";
import { autoloaded, coreModules, type Fate, fateOf } from "./module-names";
import type { Release } from "./release";
import type { Ports, Server } from "./settings";

/** What the program did with a name, where it did not simply enable it. */
export interface ModuleReport {
  /** The name as the stack config has it. */
  name: string;
  outcome: Fate["outcome"] | "missing" | "kept" | "clash";
  /** The module that is enabled in its place. */
  instead?: string;
  why: string;
}

export interface ResolvedModules {
  /** `modules_enabled` of all virtual hosts. */
  global: string[];
  /** `modules_enabled` of every chat room component. */
  rooms: string[];
  /** `modules_disabled`: of those that Prosody loads unasked. */
  disabled: string[];
  /** Components that the user took out with `disabledModules`. */
  withoutComponents: string[];
  report: ModuleReport[];
  /** Those that this program brings. */
  own: string[];
  /** Those that come from elsewhere. */
  community: string[];
}

/** What a module list is resolved from. */
type ModuleSettings = Pick<
  Server,
  "modules" | "extraModules" | "disabledModules" | "ports" | "conference" | "turn" | "metrics" | "webClient"
>;

/** The server would not work, or not with this program, without them. */
const required: Record<string, string> = {
  tls: "nobody could log in: encryption is required",
  saslauth: "nobody could log in",
  disco: "clients would find none of the other features",
  admin_shell: "the stack's accounts and health checks go through it",
};

/** Pairs that do the same work; the first stays unless the user asked for the second in `extraModules`. */
const clashes: readonly [string, string, string][] = [
  ["csi_simple", "csi_battery_saver", "both decide what waits for an inactive client"],
  ["csi_simple", "csi_pump", "both decide what waits for an inactive client"],
];

const roomModules = new Set(features.filter(({ where }) => where === "rooms").map(({ module }) => module));
const byModule = new Map(features.map((feature) => [feature.module, feature]));

/**
 * What the stack config's modules come to on a release of Prosody: current names in the order in which they were
 * asked for, each where it belongs, and a report of every name that was not taken as it is.
 *
 * Whether a host has what a release lacks, is for who looks at the host (`CommunityModules`).
 */
export function resolveModules(server: ModuleSettings, release: Release): ResolvedModules {
  const off = new Set(
    server.disabledModules.map((name) => fateOf(plain(name), release)?.instead ?? plain(name)),
  );
  const federated = hasFederation(server.ports) && !off.has("s2s");
  const invites = !off.has("invites") && !off.has("invites_register");
  const around = { server, release, federated, invites };

  const report: ModuleReport[] = [];
  const wanted = new Set<string>();
  const asked = [
    "tls_reload",
    ...(server.turn.enabled ? ["external_services"] : []),
    ...(server.metrics.enabled ? ["http_openmetrics"] : []),
    ...(server.webClient ? ["websocket", "web_client"] : []),
  ];
  for (const name of new Set([...server.modules, ...asked, ...server.extraModules])) {
    const { module, fate } = current(name, release);
    if (fate) report.push({ name, ...fate });
    if (!module || off.has(module)) continue;
    const absence = whyAbsent(module, around);
    if (absence) report.push({ name, ...absence });
    else wanted.add(module);
  }
  for (const [module, why] of Object.entries(required)) {
    if (!wanted.has(module)) report.push({ name: module, outcome: "kept", why });
    wanted.add(module);
  }
  for (const clash of settleClashes(wanted, server.extraModules)) {
    wanted.delete(clash.name);
    report.push(clash);
  }

  const modules = [...wanted];
  const isOwn = (module: string) => byModule.get(module)?.origin[release] === "own";
  const community = modules.filter((module) => !coreModules[release].has(module) && !isOwn(module));
  return {
    global: modules.filter((module) => !belongsToRooms(module)),
    rooms: modules.filter(belongsToRooms),
    disabled: [...autoloaded].filter((module) => off.has(module) || (module === "s2s" && !federated)),
    withoutComponents: ["muc", "http_file_share", "proxy65"].filter((module) => off.has(module)),
    report,
    own: modules.filter(isOwn),
    community,
  };
}

/** Whether `disabledModules` takes the module of a component out, be it by an old name. */
export function isTakenOut(component: string, { disabledModules }: Pick<Server, "disabledModules">): boolean {
  return disabledModules.some((name) => (fateOf(plain(name), "13.0")?.instead ?? plain(name)) === component);
}

function settleClashes(wanted: ReadonlySet<string>, extraModules: readonly string[]): ModuleReport[] {
  const asked = new Set(extraModules.map(plain));
  return clashes
    .filter(([first, second]) => wanted.has(first) && wanted.has(second))
    .map(([first, second, why]) =>
      asked.has(second) && !asked.has(first)
        ? { name: first, outcome: "clash", instead: second, why }
        : { name: second, outcome: "clash", instead: first, why },
    );
}

/** Without a port for other servers none of them could answer, so the server stays by itself. */
export function hasFederation(ports: Ports): boolean {
  return ports.server !== false || ports.serverDirectTls !== false;
}

const plain = (name: string) => name.replace(/^mod_/, "");

/** The module to enable today for a name, if any, and what became of the name if it is not simply itself. */
function current(name: string, release: Release): { module?: string; fate?: Fate } {
  const fate = fateOf(plain(name), release);
  if (fate) return { module: fate.outcome === "component" ? undefined : fate.instead, fate };
  if (name === plain(name)) return { module: name };
  const instead = plain(name);
  return { module: instead, fate: { outcome: "renamed", instead, why: "names go without `mod_`" } };
}

function belongsToRooms(module: string): boolean {
  return roomModules.has(module) || (module.startsWith("muc_") && module !== "muc_unique");
}

interface Surroundings {
  server: ModuleSettings;
  release: Release;
  federated: boolean;
  invites: boolean;
}

/** Why a module can't be there, if it can't. */
function whyAbsent(module: string, around: Surroundings): Pick<ModuleReport, "outcome" | "why"> | undefined {
  const feature = byModule.get(module);
  if (feature?.needsHttps && around.server.ports.https === false)
    return { outcome: "dropped", why: "`ports.https` is off" };
  if (feature?.needsInvitations && !around.invites)
    return { outcome: "dropped", why: "`invites` or `invites_register` is off" };
  if (feature?.needsFederation && !around.federated)
    return { outcome: "dropped", why: "no port for other servers is open" };
  const isChosen = around.server.extraModules.map(plain).includes(module);
  if (feature?.needsTurn && !around.server.turn.enabled && !isChosen)
    return { outcome: "dropped", why: "`turn` is off" };
  if (feature?.needsMetrics && !around.server.metrics.enabled && !isChosen)
    return { outcome: "dropped", why: "`metrics` is off" };
  if (feature?.needsWebClient && !around.server.webClient)
    return { outcome: "dropped", why: "`webClient` is off" };
  if (belongsToRooms(module) && !around.server.conference.enabled)
    return { outcome: "dropped", why: "`conference` is off" };
  if (feature?.origin[around.release] === "missing")
    return { outcome: "missing", why: `Prosody ${around.release} does not have it` };
  return undefined;
}

import { autoloaded, coreModules, type Fate, fateOf } from "./module-names";
import type { Release } from "./release";
import type { Ports, Server } from "./settings";

export { type Release, releaseOf, releases } from "./release";

/**
 * Where a release has a module from: Prosody itself (`core`), this program (`own`), the distribution's package of
 * community modules, nowhere (`missing`), or it needs none because another module does its work (`built in`).
 */
type Origin = "core" | "own" | "community" | "built in" | "missing";

/** One thing that the default server offers. */
interface Feature {
  /** Name of the module, as the newest release calls it. */
  module: string;
  /** Where it is loaded: on all virtual hosts, on the chat room component, or as a component of its own. */
  where: "virtual hosts" | "rooms" | "component";
  group: string;
  /** What a user gets; the configuration file says it beside the module. */
  what: string;
  /** Specifications: XEP numbers as in "0198", RFCs as in "RFC 6121". */
  specs: readonly string[];
  origin: Readonly<Record<Release, Origin>>;
  /** It answers over HTTPS, so it is left out where that port is off. */
  needsHttps?: true;
  /** It names the servers for calls, so it is left out without them, unless the user asks for it. */
  needsTurn?: true;
  /** It is for those who watch the server, so it is left out without `metrics`, unless the user asks for it. */
  needsMetrics?: true;
  /** It is the web client, so it is left out without `webClient`. */
  needsWebClient?: true;
  /** It is about invitations, so it is left out where one of the modules for them is. */
  needsInvitations?: true;
  /** It is about other servers, so it is left out where no port for them is open. */
  needsFederation?: true;
}

type Row = [module: string, what: string, specs: string, more?: Partial<Omit<Feature, "module" | "group">>];

const core = { "0.12": "core", "13.0": "core" } as const;
const own = { "0.12": "own", "13.0": "own" } as const;

const groups: Record<string, Row[]> = {
  "Sessions and security": [
    ["tls", "encryption", "RFC 6120, RFC 7590"],
    ["saslauth", "log-in", "RFC 6120"],
    ["disco", "finding out what the server offers", "0030, 0115"],
    ["roster", "contact lists", "RFC 6121, 0237"],
    ["smacks", "sessions that outlive a broken connection", "0198"],
    ["limits", "bandwidth limits, against floods", ""],
    ["tls_reload", "certificates can be replaced while clients connect", "", { origin: own }],
  ],
  "Several devices, mobile devices": [
    ["carbons", "every message on every device", "0280"],
    ["mam", "archive: a device fetches what it missed", "0313"],
    ["csi_simple", "saves the battery: holds back what can wait", "0352"],
    ["cloud_notify", "push notifications", "0357", { origin: { "0.12": "community", "13.0": "core" } }],
  ],
  "Profiles and personal data": [
    ["pep", "personal eventing: avatars, moods, OMEMO keys", "0163, 0060, 0384"],
    ["vcard4", "profiles", "0292"],
    ["vcard_legacy", "the same profiles and avatars for old clients", "0054, 0153, 0398"],
    ["bookmarks", "the same chat rooms on every device", "0402, 0048, 0411"],
    ["private", "private storage of old clients", "0049"],
    ["blocklist", "blocking of addresses", "0191"],
    [
      "account_activity",
      "when an account was last used, for the administrators",
      "",
      { origin: { "0.12": "missing", "13.0": "core" } },
    ],
  ],
  "Accounts: no open registration; administrators can invite": [
    ["register", "change of one's own password", "0077"],
    ["invites", "invitations", "0401"],
    ["invites_adhoc", "invitations made in a client", "0401, 0050"],
    ["invites_register", "an invited person makes the account", "0445, 0379"],
    [
      "invitation_page",
      "a web page for each invitation",
      "0401",
      { needsHttps: true, needsInvitations: true, origin: own },
    ],
  ],
  "Small questions": [
    ["ping", "is the server there?", "0199"],
    ["time", "what time is it there?", "0202"],
    ["uptime", "since when does it run?", "0012"],
    ["version", "which software is it?", "0092"],
    ["server_contact_info", "whom to write to about abuse", "0157"],
  ],
  "Other servers": [
    ["dialback", "weak proof of identity, never enough alone here", "0220", { needsFederation: true }],
    ["s2s_bidi", "one connection for both directions", "0288", { needsFederation: true }],
  ],
  "Web clients": [
    ["websocket", "XMPP over WebSocket", "RFC 7395", { needsHttps: true }],
    [
      "http_altconnect",
      "host-meta: where web clients connect",
      "0156",
      { needsHttps: true, origin: { "0.12": "missing", "13.0": "core" } },
    ],
    ["web_client", "a client in the browser", "", { needsHttps: true, needsWebClient: true, origin: own }],
  ],
  Calls: [
    [
      "external_services",
      "STUN and TURN servers for voice and video, with credentials",
      "0215",
      { needsTurn: true },
    ],
  ],
  Administration: [
    ["admin_shell", "prosodyctl, and the accounts of the stack", ""],
    ["admin_adhoc", "administration from a client", "0133, 0050"],
    ["http_openmetrics", "figures for monitoring", "", { needsHttps: true, needsMetrics: true }],
  ],
  "Chat rooms": [
    ["muc", "chat rooms", "0045, 0421", { where: "component" }],
    ["muc_mam", "archive of the rooms", "0313", { where: "rooms" }],
    [
      "vcard_muc",
      "avatars of the rooms",
      "0486, 0054",
      { where: "rooms", origin: { "0.12": "community", "13.0": "built in" } },
    ],
  ],
  Files: [
    ["http_file_share", "upload of files", "0363", { where: "component", needsHttps: true }],
    ["proxy65", "transfer of files between two clients", "0065", { where: "component" }],
  ],
};

/** The default server, in the order of the configuration file. docs/server.md shows it. */
export const features: readonly Feature[] = Object.entries(groups).flatMap(([group, rows]) =>
  rows.map(([module, what, specs, more]) => ({
    module,
    group,
    what,
    specs: specs === "" ? [] : specs.split(", "),
    where: "virtual hosts",
    origin: core,
    ...more,
  })),
);

/**
 * The default of `modules`: every feature that is a module. The release decides what becomes of each, so that one
 * list serves all of them. Components have settings of their own (`conference`, `upload`, `proxy65`).
 */
export const defaultModules: readonly string[] = features
  .filter(({ where }) => where !== "component")
  .map(({ module }) => module);

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

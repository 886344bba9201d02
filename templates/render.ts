import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Mustache from "mustache";
import { communityModules } from "../config/community";
import { asciiDomain, unicodeDomain } from "../config/domain-name";
import { adminSockets, type Family } from "../config/family";
import { defaultModules, features } from "../config/features";
import { ownModules } from "../config/own-modules";
import type { Release } from "../config/release";
import {
  hasFederation,
  type ModuleReport,
  type ResolvedModules,
  resolveModules,
} from "../config/resolve-modules";
import { root } from "../config/root";
import { Secret } from "../config/secret";
import type { ExternalComponent, LuaValue, Server } from "../config/settings";
import { webClientFiles } from "../config/web-client";
import type { ConfigFile } from "../providers/configuration";
import { lua, type SecretPolicy } from "./lua";
import { defaults, holdsSecret, optionWarnings } from "./options";
import { databaseAuthority, storageOptions } from "./storage";
import { callServices } from "./turn";

/** Where things are on the host, on Debian as on Fedora; see config/family.ts for what differs. */
export const paths = {
  config: "/etc/prosody/prosody.cfg.lua",
  /** Beside the main file, which includes it by its name alone, so that both can be checked in a staging directory. */
  secrets: "/etc/prosody/secrets.cfg.lua",
  certificates: "/etc/prosody/certs",
  data: "/var/lib/prosody",
  pidFile: "/run/prosody/prosody.pid",
  log: "/var/log/prosody/prosody.log",
  errorLog: "/var/log/prosody/prosody.err",
} as const;

interface RenderedConfiguration {
  /** Absolute path → file; no secret in them. */
  files: Record<string, ConfigFile>;
  /** Absolute path → file with the options that hold a secret; empty when there is none. */
  secrets: Record<string, ConfigFile>;
  /** What became of module names that could not be taken as they are. */
  report: ModuleReport[];
  /** What the user should know: each a sentence. */
  warnings: string[];
  /** What became of modules that the stack config names; each a line. */
  notes: string[];
}

/**
 * Prosody's configuration files for a server, the same text for the same settings.
 * @param turnSecret from which TURN credentials are made; only the file of secrets has it
 * @throws Error when two hosts would have the same name.
 */
export function renderConfiguration(
  server: Server,
  release: Release,
  family: Family = "debian",
  turnSecret = new Secret(""),
): RenderedConfiguration {
  const modules = resolveModules(server, release);
  const hosts = server.domains.map((domain) => hostView(server, domain.name, modules));
  refuseDuplicates(
    hosts.flatMap(({ name, rooms, upload, proxy, external }) => [
      name,
      ...names(rooms, upload, proxy, ...external),
    ]),
  );

  const storage = storageOptions(server.storage, release);
  const [secret, open] = partition(Object.entries({ ...server.options, ...storage.options }), ([, value]) =>
    holdsSecret(value),
  );
  const community = communityModules(server, release);
  const chosenPaths = [server.options.plugin_paths ?? defaults.plugin_paths].flat() as string[];
  const pluginPaths = [community.path, ...chosenPaths, ownModules(server).path].filter((path) => path !== "");
  if (server.turn.enabled) secret.push(["external_service_secret", turnSecret]);
  const main = fill("prosody.cfg.lua", "refuse", {
    server: server.name,
    paths: { ...paths, adminSocket: adminSockets[family] },
    admins: server.admins.map(unicodeJid),
    groups: moduleGroups(modules.global),
    disabled: modules.disabled.length > 0 && { modules: modules.disabled },
    ports: portLists(server.ports),
    tlsProfile: server.tls.minimum === "1.3" ? "modern" : "intermediate",
    options: { ...defaults, advertise_bosh: modules.global.includes("bosh"), ...Object.fromEntries(open) },
    pluginPaths,
    contacts: contactsView(server.contacts),
    componentInterfaces: server.componentInterfaces.length > 0 && { addresses: server.componentInterfaces },
    calls: server.turn.enabled && { services: callServices(server) },
    metrics: server.metrics.enabled && metricsView(server.metrics),
    webClient: modules.own.includes("web_client") && {
      directory: webClientFiles.path,
      uploads: hosts.some(({ upload }) => upload) && { label: server.upload.subdomain },
    },
    // An external URL of the user's own says where the pages are.
    port443: server.firewall.https443 && !("http_external_url" in server.options) && modules.own.length > 0,
    altconnect: modules.global.includes("http_altconnect"),
    log: logSinks(server.logging),
    storage: optionsView(open.filter(([name]) => Object.hasOwn(storage.options, name))),
    chosen: optionsView(
      open.filter(([name]) => !Object.hasOwn(defaults, name) && !Object.hasOwn(storage.options, name)),
    ),
    secrets: secret.length > 0 && { file: fileName(paths.secrets) },
    hosts,
  });
  const secrets = fill("secrets.cfg.lua", "reveal", { server: server.name, ...optionsView(secret) });
  return {
    files: {
      [paths.config]: configFile(main),
      ...(storage.authority && { [databaseAuthority]: configFile(storage.authority) }),
    },
    secrets: secret.length > 0 ? { [paths.secrets]: configFile(secrets) } : {},
    report: modules.report,
    notes: notes(server, modules.report),
    warnings: [
      ...warnings(server, modules),
      ...community.overrides.map(
        (module) =>
          `prosody:modulesOrigin.directory: mod_${module} of your directory takes the place of Prosody's own.`,
      ),
    ],
  };
}

/** The file with an external component's name and secret, which the main file includes. */
export function renderComponent(component: ExternalComponent): { path: string; file: ConfigFile } {
  const name = unicodeDomain(component.name);
  const content = fill("component.cfg.lua", "reveal", { name, secret: component.secret });
  return { path: componentPath(component), file: configFile(content) };
}

/** Beside the main file, so that it can be included by its name alone. */
const componentPath = ({ name }: ExternalComponent) => `/etc/prosody/component-${name}.cfg.lua`;

const fileName = (path: string) => path.replace(/^.*\//, "");

const configFile = (content: string): ConfigFile => ({
  content,
  mode: "0640",
  owner: "root",
  group: "prosody",
});

/** Fills a template: every `{{value}}` becomes a Lua expression, `{{{text}}}` stays as it is. */
function fill(template: string, secrets: SecretPolicy, view: object): string {
  const literal = (value: LuaValue) => lua(value, secrets);
  // Mustache hands the value over as it is; its types know of strings only.
  return Mustache.render(read(template), view, read, { escape: literal as (value: string) => string });
}

/** The templates stay beside their source when it is compiled. */
function read(template: string): string {
  return readFileSync(join(root, "templates", `${template}.mustache`), "utf8");
}

/** A host's name, and the one that the DNS has for it where it is another. */
function named(name: string) {
  const ascii = asciiDomain(name);
  return { name, dns: ascii !== name && { name: ascii } };
}

function unicodeJid(jid: string): string {
  const at = jid.lastIndexOf("@") + 1;
  return jid.slice(0, at) + unicodeDomain(jid.slice(at));
}

const creators = {
  everyone: { restriction: false, who: "Everybody may create a room, from other servers too" },
  admins: { restriction: true, who: "Only administrators may create a room" },
  local: { restriction: "local", who: "Accounts of this virtual host may create a room" },
} as const;

function hostView(server: Server, name: string, modules: ResolvedModules) {
  const { conference, upload, proxy65, ports } = server;
  const domain = unicodeDomain(name);
  const offers = (component: string) => !modules.withoutComponents.includes(component);
  return {
    ...named(domain),
    rooms: conference.enabled &&
      offers("muc") && {
        ...named(`${conference.subdomain}.${domain}`),
        modules: modules.rooms,
        ...creators[conference.creators],
      },
    upload: upload.enabled &&
      offers("http_file_share") && {
        ...named(`${upload.subdomain}.${domain}`),
        sizeLimit: upload.maxBytes,
        dailyQuota: upload.dailyQuotaBytes,
        expiresAfter: upload.expiresAfterDays * 86400,
      },
    proxy:
      proxy65.enabled &&
      ports.proxy65 !== false &&
      offers("proxy65") &&
      named(`${proxy65.subdomain}.${domain}`),
    external: server.components
      .filter((component) => component.domain === name)
      .map((component) => ({
        name: unicodeDomain(component.name),
        file: fileName(componentPath(component)),
      })),
  };
}

const names = (...components: (false | { name: string })[]) =>
  components.flatMap((component) => (component ? [component.name] : []));

/** Prosody takes two hosts of one name without a word, and runs one of them. */
function refuseDuplicates(hosts: string[]): void {
  const twice = hosts.find((host, index) => hosts.indexOf(host) !== index);
  assert(twice === undefined, `Two virtual hosts or services are called ${twice}.`);
}

/** Enabled modules under the headings of the feature table, what the table does not know last. */
function moduleGroups(enabled: string[]) {
  const groups = [...new Set(features.map(({ group }) => group))].map((group) => ({
    group,
    modules: features
      .filter((feature) => feature.group === group && enabled.includes(feature.module))
      .map(({ module, what, specs }) => ({ module, what: what + citation(specs) })),
  }));
  const known = new Set(features.map(({ module }) => module));
  const others = enabled.filter((module) => !known.has(module)).map((module) => ({ module, what: false }));
  return [...groups, { group: "Chosen in the stack config", modules: others }].filter(
    ({ modules }) => modules.length > 0,
  );
}

function citation(specs: readonly string[]): string {
  const full = specs.map((spec) => (spec.startsWith("RFC") ? spec : `XEP-${spec}`));
  return full.length > 0 ? ` (${full.join(", ")})` : "";
}

function portLists(ports: Server["ports"]): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(ports).map(([service, port]) => [service, port === false ? [] : [port]]),
  );
}

function contactsView(contacts: Server["contacts"]) {
  const addresses = Object.fromEntries(Object.entries(contacts).filter(([, list]) => list.length > 0));
  return Object.keys(addresses).length > 0 && { addresses };
}

/** The host itself may always read them. */
function metricsView({ addresses, network }: Server["metrics"]) {
  return { readers: ["127.0.0.1", "::1", ...addresses], network: network !== undefined && { network } };
}

function logSinks({ file, syslog }: Server["logging"]): LuaValue {
  const sink = (to: string, min: string, more = {}) => ({ to, levels: { min }, ...more });
  return [
    ...(file ? [sink("file", file, { filename: paths.log })] : []),
    ...(file ? [sink("file", "error", { filename: paths.errorLog })] : []),
    ...(syslog ? [sink("syslog", syslog)] : []),
  ];
}

function optionsView(options: [string, LuaValue][]) {
  return options.length > 0 && { options: options.map(([name, value]) => ({ name, value })) };
}

/** Of the default list nothing needs to be told: this program chose it. */
function notes(server: Server, report: ModuleReport[]): string[] {
  const standard = new Set(defaultModules);
  const isChosen = (name: string) => server.extraModules.includes(name) || !standard.has(name);
  return report
    .filter(({ name, outcome }) => isChosen(name) && outcome !== "missing" && outcome !== "kept")
    .map(
      ({ name, outcome, instead, why }) =>
        `${name}: ${outcome}${instead && instead !== name ? ` (${instead})` : ""}; ${why}`,
    );
}

function warnings(server: Server, modules: ResolvedModules): string[] {
  const chosen = new Set(server.extraModules);
  const missing = modules.report.filter(({ name, outcome }) => outcome === "missing" && chosen.has(name));
  return [
    ...missing.map(({ name, why }) => `prosody:extraModules: ${name} is left out: ${why}.`),
    ...optionWarnings(server.options),
    ...(hasFederation(server.ports)
      ? []
      : ["prosody:ports.server and serverDirectTls are off, so that this server talks to no other server."]),
  ];
}

function partition<T>(items: T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}

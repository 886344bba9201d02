import { asciiDomain } from "../config/domain-name";
import { fateOf } from "../config/module-names";
import type { Release } from "../config/release";
import { resolveModules } from "../config/resolve-modules";
import type { Server } from "../config/settings";
import { enclosing } from "../dns/record-set";
import type { Survey } from "../providers/backup/survey";
import { logIns, refusals, type Verifiers } from "../providers/configuration/log-ins";
import type { Model } from "../providers/configuration/model";
import { defaults } from "../templates/options";
import { paths } from "../templates/render";

/** What is on a host that a stack is about to take over. */
export interface Present {
  survey: Survey;
  /** What its configuration says; `undefined` where there is none, or Prosody can't read it. */
  model: Model | undefined;
  /** Its accounts, by bare JID. */
  verifiers: Verifiers;
  /** The program has the server already. */
  isOurs: boolean;
  /** Those among them whose password an `up` sets. */
  resets: ReadonlySet<string>;
  /** Names of installed packages. */
  packages: ReadonlySet<string>;
}

/** A heading, and what differs there; nothing when all is alike. */
interface Section {
  heading: string;
  lines: string[];
}

/**
 * What an `up` would find on the host and change there, in the words of the stack config.
 * @param hosts virtual hosts and components of the rendered configuration
 */
export function compare(
  server: Server,
  present: Present,
  release: Release,
  hosts: readonly string[],
): Section[] {
  const { survey, model, verifiers, resets, packages } = present;
  const accounts = [...verifiers.keys()].sort();
  return [
    { heading: "Software", lines: software(survey, packages) },
    { heading: "Virtual hosts and components", lines: hostLines(server, survey, hosts.map(asciiDomain)) },
    { heading: "Modules", lines: modules(server, model, release) },
    { heading: "Ports", lines: ports(server, model) },
    { heading: "Storage", lines: storage(server, survey) },
    { heading: "Passwords", lines: passwords(server, present) },
    { heading: "Accounts", lines: accountLines(server, accounts, resets) },
  ].filter(({ lines }) => lines.length > 0);
}

function software({ version }: Survey, packages: ReadonlySet<string>): string[] {
  if (version === undefined) return ["Prosody is not installed; up installs it."];
  return packages.has("prosody")
    ? []
    : [
        `Prosody ${version} is not from the distribution's package prosody, which up would install beside it.`,
      ];
}

function hostLines(server: Server, { hosts }: Survey, wanted: readonly string[]): string[] {
  const found = new Map(Object.entries(hosts).map(([host, component]) => [asciiDomain(host), component]));
  const obsolete = [...found].filter(([host]) => !wanted.includes(host)).sort();
  return [
    ...obsolete.map(
      ([host, component]) =>
        `- ${host}: up takes it out of the configuration; its data stay on the host. ${keeping(server, host, component)}`,
    ),
    ...wanted.filter((host) => !found.has(host)).map((host) => `+ ${host}`),
  ];
}

/** Component modules → the option that decides what such a service is called. */
const subdomains: Record<string, string> = {
  muc: "conference.subdomain",
  http_file_share: "upload.subdomain",
  proxy65: "proxy65.subdomain",
};

/** How a virtual host or a component is kept as it is called. @param component its module; "" for a virtual host */
function keeping({ domains }: Server, host: string, component: string): string {
  if (component === "") return `To keep it: prosody:domains[${JSON.stringify(host)}]`;
  const names = domains.map(({ name }) => name);
  const domain = enclosing(host, names);
  const option = component === "component" ? "components" : subdomains[component];
  if (option === undefined) return `No option keeps a component with the module ${component}`;
  if (domain === undefined || domain === host)
    return `To keep it: prosody:${option}, and the domain above it in prosody:domains`;
  const label = host.slice(0, -domain.length - 1);
  return `To keep it: prosody:${option}${component === "component" ? `[${JSON.stringify(label)}]` : `: ${label}`}`;
}

function modules(server: Server, model: Model | undefined, release: Release): string[] {
  if (!model) return [];
  const wanted = resolveModules(server, release);
  const known = new Set([...wanted.global, ...wanted.rooms]);
  const enabled = new Set(
    Object.values(model.hosts)
      .filter(({ component }) => component === false)
      .flatMap(({ modules }) => modules),
  );
  const own = [...enabled]
    .filter((name) => !known.has(name) && fateOf(name, release)?.outcome !== "built in")
    .sort();
  const kept = own.filter((name) => !fateOf(name, release)).join(", ");
  const more = [...known].filter((name) => !enabled.has(name) && !wanted.rooms.includes(name)).sort();
  return [
    ...own.map((name) => {
      const fate = fateOf(name, release);
      return `- ${name}: up unloads it${fate ? ` (${fate.why})` : `. To keep it: prosody:extraModules: [${kept}]`}`;
    }),
    ...more.map((name) => `+ ${name}`),
  ];
}

/** Names of ports in the stack config, by Prosody's. */
const services: Record<string, keyof Server["ports"]> = {
  c2s: "clientStarttls",
  c2s_direct_tls: "clientDirectTls",
  legacy_ssl: "clientDirectTls",
  s2s: "server",
  s2s_direct_tls: "serverDirectTls",
  https: "https",
  proxy65: "proxy65",
  component: "components",
};

function ports(server: Server, model: Model | undefined): string[] {
  if (!model) return [];
  const open = [...new Set(model.ports.map(({ service, port }) => `${service} ${port}`))]
    .map((text) => text.split(" "))
    .map(([service, port]) => ({ service: service!, port: Number(port) }));
  // Prosody opens the port of components only where it serves one; the ports for calls are coturn's.
  const wanted = Object.entries(server.ports).filter(
    ([name, port]) =>
      port !== false &&
      Object.values<string>(services).includes(name) &&
      !(name === "components" && server.components.length === 0),
  );
  return [
    ...open
      .filter(({ service, port }) => !services[service] || server.ports[services[service]!] !== port)
      .map(({ service, port }) => {
        const setting = services[service];
        return `- ${port} (${service}): up closes it.${setting ? ` To keep it: prosody:ports.${setting}: ${port}` : ""}`;
      }),
    ...wanted
      .filter(([name, port]) => !open.some((each) => services[each.service] === name && each.port === port))
      .map(([name, port]) => `+ ${port} (${name})`),
  ];
}

function storage(server: Server, { version, data, files, databases, others = [] }: Survey): string[] {
  if (version === undefined) return [];
  const now = [
    ...(files ? ["internal"] : []),
    ...databases.map(({ driver }) => driver.toLowerCase().replace("sqlite3", "sqlite")),
  ];
  const refused = "up refuses to leave them behind, docs/troubleshooting.md (Storage) says what to do";
  return [
    ...(data === paths.data ? [] : [`~ data in ${data} => ${paths.data}: ${refused}`]),
    ...others.map((driver) => `- data in ${driver}, which no move brings along: ${refused}`),
    ...(now.length === 1 && now[0] === server.storage.kind
      ? []
      : [
          `~ ${now.join(" and ")} => ${server.storage.kind}: up moves all data, with Prosody stopped. To leave them: prosody:storage`,
        ]),
  ];
}

/** Why `up` would refuse: nobody who has an account could log in. */
function passwords(server: Server, { model, verifiers, isOurs }: Present): string[] {
  if (!model) return [];
  const { authentication, password_hash }: Record<string, unknown> = { ...defaults, ...server.options };
  const wanted = {
    authentication: String(authentication),
    ...(password_hash !== undefined && { passwordHash: String(password_hash) }),
  };
  const now = logIns(model);
  const everywhere = Object.fromEntries(Object.keys(now).map((host) => [host, wanted]));
  return refusals(now, everywhere, verifiers, isOurs).map((reason) => `  up refuses: ${reason}`);
}

function accountLines(server: Server, accounts: readonly string[], resets: ReadonlySet<string>): string[] {
  const wanted = new Map(server.jids.map((account) => [account.jid, account]));
  const others = accounts.filter((jid) => !wanted.has(jid));
  const line = (jid: string): string | undefined => {
    const account = wanted.get(jid)!;
    const isThere = accounts.includes(jid);
    if (account.password === undefined) return isThere ? `- ${jid}: up archives and deletes it` : undefined;
    if (!isThere) return `+ ${jid}`;
    return resets.has(jid) ? `~ ${jid}: up sets its password (policy ${account.policy})` : undefined;
  };
  return [
    ...[...wanted.keys()].map(line).filter((text) => text !== undefined),
    ...others.map((jid) => `  ${jid}: not in prosody:jids, so it is left alone`),
    ...(others.length > 0
      ? [
          "  To keep them by the stack config from now on (their passwords stay as they are):",
          ...others.map(
            (jid) =>
              `    pulumi config set --path --secret 'jids[${JSON.stringify(jid)}]' "$(openssl rand -hex 16)"`,
          ),
        ]
      : []),
  ];
}

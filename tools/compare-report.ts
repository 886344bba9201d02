import { asciiDomain } from "../config/domain-name";
import { type Release, resolveModules } from "../config/features";
import { autoloaded } from "../config/module-names";
import type { Server } from "../config/settings";
import type { Survey } from "../providers/backup/survey";
import type { Model } from "../providers/configuration/model";

/** What is on a host that a stack is about to take over. */
export interface Present {
  survey: Survey;
  /** What its configuration says; `undefined` where there is none, or Prosody can't read it. */
  model: Model | undefined;
  /** Bare JIDs of its accounts. */
  accounts: readonly string[];
  /** Those among them whose password an `up` sets. */
  resets: ReadonlySet<string>;
  /** Names of installed packages. */
  packages: ReadonlySet<string>;
}

/** A heading, and what differs there; nothing when all is alike. */
export interface Section {
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
  const { survey, model, accounts, resets, packages } = present;
  const found = Object.keys(survey.hosts).map(asciiDomain).sort();
  return [
    { heading: "Software", lines: software(survey, packages) },
    { heading: "Virtual hosts and components", lines: hostLines(found, hosts.map(asciiDomain)) },
    { heading: "Modules", lines: modules(server, model, release) },
    { heading: "Ports", lines: ports(server, model) },
    { heading: "Storage", lines: storage(server, survey) },
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

function hostLines(found: readonly string[], wanted: readonly string[]): string[] {
  return [
    ...found
      .filter((host) => !wanted.includes(host))
      .map(
        (host) =>
          `- ${host}: up takes it out of the configuration; its data stay on the host. To keep it: prosody:domains, or prosody:components`,
      ),
    ...wanted.filter((host) => !found.includes(host)).map((host) => `+ ${host}`),
  ];
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
  const own = [...enabled].filter((name) => !known.has(name) && !autoloaded.has(name)).sort();
  const more = [...known].filter((name) => !enabled.has(name) && !wanted.rooms.includes(name)).sort();
  return [
    ...own.map((name) => `- ${name}: up unloads it. To keep it: prosody:extraModules: [${own.join(", ")}]`),
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

function storage(server: Server, { version, files, databases }: Survey): string[] {
  if (version === undefined) return [];
  const now = [
    ...(files ? ["internal"] : []),
    ...databases.map(({ driver }) => driver.toLowerCase().replace("sqlite3", "sqlite")),
  ];
  if (now.length === 1 && now[0] === server.storage.kind) return [];
  return [
    `~ ${now.join(" and ")} => ${server.storage.kind}: up moves all data, with Prosody stopped. To leave them: prosody:storage`,
  ];
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

import type { z } from "zod";
import { parseDomain } from "./domain-name";
import { parseAddress } from "./host-address";
import { isMap, numberOf } from "./parts";
import { optionPath } from "./problems";
import { attempt, Refused } from "./refused";
import { defaultServer, type Server } from "./settings";

/** Options that each server has of its own; the others may be shared. */
const own = ["host", "domains", "jids", "jidsFile"];

/** What is said of the option `servers` besides what its entries are. */
export const serversMeta = {
  description:
    "Several servers in one stack: a map from the name of each to its options, which are those of this page. `host`, `domains`, `jids` and `jidsFile` stand there and not at the top level; any other option at the top level is the default of all servers, and is replaced as a whole by a server that has it, too. Names (lower-case letters, digits, hyphens, dots, underscores) go into resource names: keep them. A stack that gets its second server calls the first one `prosody`, and nothing about it changes.",
  form: "map from name to a server's options",
  otherwise: "one server, described at the top level",
  example: `servers:
  berlin:
    host: berlin.example.com
    domains: { example.com: { certificate: certs/example.com.crt, keyFile: certs/example.com.key } }
    jids: { alice@example.com: { secure: v1:… } }
  paris:
    host: paris.example.com
    domains: { example.net: { certificate: certs/example.net.crt, keyFile: certs/example.net.key } }
    ports: { https: 8443 }`,
};

/** What of the stack config applies to one server, and where it stands there. */
export interface Entry {
  name: string;
  /** Its options as in the short form: its own, and for the rest those that all servers share. */
  raw: Record<string, unknown>;
  /** Those of its options that hold a secret somewhere. */
  encrypted: ReadonlySet<string>;
  /** Where one of its options stands in the stack config. */
  place(path: readonly PropertyKey[]): PropertyKey[];
}

type Issue = z.core.$ZodIssue;

/**
 * Takes the stack config apart: one entry for the short form, else one for each of `servers`. An entry's option
 * replaces the shared one as a whole, so that what a server gets can be seen at one place.
 * @param encrypted options at the top level that hold a secret somewhere
 */
export function entriesOf(
  raw: Record<string, unknown>,
  encrypted: ReadonlySet<string>,
): { entries: Entry[]; issues: Issue[] } {
  const { servers, ...top } = raw;
  if (servers === undefined || (isMap(servers) && Object.keys(servers).length === 0))
    return {
      entries: [{ name: defaultServer, raw: top, encrypted, place: (path) => [...path] }],
      issues: [],
    };
  if (!isMap(servers))
    return {
      entries: [],
      issues: [issue(["servers"], "give a map from the name of each server to its options")],
    };
  const names = Object.keys(servers);
  const misplaced = own.filter((option) => !isNothing(top[option]));
  const shared = Object.fromEntries(Object.entries(top).filter(([option]) => !own.includes(option)));
  const issues = misplaced.map((option) =>
    issue(
      [option],
      `each server has its own beside prosody:servers; move it to ${optionPath(["servers", names[0]!, option])}, or do without prosody:servers`,
    ),
  );
  const entries = names.flatMap((name): Entry[] => {
    const given = servers[name];
    try {
      parseServerName(name);
    } catch (error) {
      issues.push(issue(["servers", name], (error as Refused).message));
    }
    if (isMap(given)) return [entry(name, given, shared, encrypted)];
    issues.push(issue(["servers", name], "give a map with host, domains and the server's other options"));
    return [];
  });
  return { entries, issues };
}

function entry(
  name: string,
  given: Record<string, unknown>,
  shared: Record<string, unknown>,
  encrypted: ReadonlySet<string>,
): Entry {
  const isShared = (option: string) => !(option in given) && shared[option] !== undefined;
  const raw = { ...shared, ...given };
  const secret = Object.keys(raw).filter((option) => encrypted.has(isShared(option) ? option : "servers"));
  return {
    name,
    raw,
    encrypted: new Set(secret),
    place: (path) => (isShared(String(path[0])) ? [...path] : ["servers", name, ...path]),
  };
}

/**
 * A server's name: it goes into resource names, before a slash.
 * @throws Refused
 */
function parseServerName(name: string): void {
  if (!/^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/.test(name))
    throw new Refused(
      "a server's name has up to 63 lower-case letters, digits, and hyphens, dots or underscores inside, as in berlin",
    );
}

/** The engine hands over an empty map for an option that is declared, but not set. */
function isNothing(value: unknown): boolean {
  return value === undefined || (isMap(value) && Object.keys(value).length === 0);
}

/** The problems that one server has, at their places in the stack config. */
export function relocate(found: Issue, { place }: Entry): Issue[] {
  const message = (text: string) => inPlace(text, place);
  const move = <T extends Issue>(each: T, path: PropertyKey[]): T => ({
    ...each,
    path: place(path),
    message: message(each.message),
    ...(each.code === "invalid_key" && {
      issues: each.issues.map((inner) => ({ ...inner, message: message(inner.message) })),
    }),
  });
  if (found.code !== "unrecognized_keys" || found.path.length > 0) return [move(found, found.path)];
  return found.keys.map((key) => ({ ...found, keys: [key], path: place([key]).slice(0, -1) }));
}

/** A text about options, with the options as this server has them. */
export function inPlace(text: string, place: Entry["place"]): string {
  return text
    .replace(/(?<=prosody:)[a-z]\w*/gi, (option) => optionPath(place([option])).replace("prosody:", ""))
    .replace(/(?<=--path (?:--secret )?')\w+/g, (option) =>
      optionPath(place([option])).replace("prosody:", ""),
    );
}

/** What servers must not have in common, whatever else may be wrong with them. */
export function clashes(entries: readonly Entry[], servers: readonly Server[]): Issue[] {
  return [...sameHosts(entries), ...sameDomains(entries, servers)];
}

function sameHosts(entries: readonly Entry[]): Issue[] {
  const taken = new Map<string, string>();
  return entries.flatMap(({ name, raw, place }) => {
    const key = hostKey(raw.host);
    const other = key && taken.get(key);
    if (key && !other) taken.set(key, name);
    if (!other) return [];
    const path = isMap(raw.host) ? ["host", "address"] : ["host"];
    return [
      issue(
        place(path),
        `this is also the host of ${optionPath(["servers", other])}; a host has one Prosody, with all domains that it is to serve`,
      ),
    ];
  });
}

/** Private addresses behind different jump hosts, and ports forwarded by one router, are different hosts. */
function hostKey(host: unknown): string | undefined {
  const given = isMap(host) ? host : { address: host };
  if (typeof given.address !== "string") return undefined;
  const address = attempt(() => parseAddress(given.address as string));
  return address && JSON.stringify([address, numberOf(given.port ?? 22), given.jump && hostKey(given.jump)]);
}

function sameDomains(entries: readonly Entry[], servers: readonly Server[]): Issue[] {
  const taken = new Map<string, { server: string; what: string }>();
  for (const { name, conference, upload, proxy65, turn, components, domains } of servers) {
    for (const component of components)
      taken.set(component.name, { server: name, what: "the name of an external component" });
    for (const [option, service] of Object.entries({ conference, upload, proxy65, turn }))
      for (const domain of service.enabled ? domains : [])
        taken.set(`${service.subdomain}.${domain.name}`, {
          server: name,
          what: `the name of ${option}`,
        });
  }
  return entries.flatMap(({ name, raw, place }) =>
    Object.keys(isMap(raw.domains) ? raw.domains : {}).flatMap((written) => {
      const domain = attempt(() => parseDomain(written));
      const other = domain && taken.get(domain);
      if (domain && !other) taken.set(domain, { server: name, what: "a virtual host" });
      if (!other || other.server === name) return []; // twice in one server is reported there
      return [
        issue(
          place(["domains", written]),
          `${domain} is also ${other.what} of ${optionPath(["servers", other.server])}; a domain lives on one server, so take it out of one of them`,
        ),
      ];
    }),
  );
}

function issue(path: PropertyKey[], message: string): Issue {
  return { code: "custom", path, message, input: undefined };
}

import { unicodeDomain } from "../config/domain-name";
import { fateOf } from "../config/module-names";
import type { Release } from "../config/release";
import { resolveModules } from "../config/resolve-modules";
import type { Server } from "../config/settings";
import type { Expectation } from "./check";

/** What the stack config promises of one virtual host. */
export interface Expected {
  /** As in the stack config: lower case, A-labels. */
  domain: string;
  /** As in JIDs. */
  unicode: string;
  release: Release;
  server: Server;
  /** Modules of virtual hosts. */
  modules: ReadonlySet<string>;
  roomModules: ReadonlySet<string>;
  /** Modules that the release lacks. */
  missing: ReadonlySet<string>;
  /** JIDs of the services; `undefined` where they are off. */
  rooms?: string;
  upload?: string;
  proxy?: string;
}

/** One for each virtual host of a server. */
export function expectedOf(server: Server, release: Release): Expected[] {
  const resolved = resolveModules(server, release);
  const { conference, upload, proxy65, ports } = server;
  const offers = (component: string) => !resolved.withoutComponents.includes(component);
  return server.domains.map(({ name }) => {
    const unicode = unicodeDomain(name);
    return {
      domain: name,
      unicode,
      release,
      server,
      modules: new Set(resolved.global),
      roomModules: new Set(resolved.rooms),
      missing: new Set(
        resolved.report.filter(({ outcome }) => outcome === "missing").map((entry) => entry.name),
      ),
      ...(conference.enabled && offers("muc") && { rooms: `${conference.subdomain}.${unicode}` }),
      ...(upload.enabled && offers("http_file_share") && { upload: `${upload.subdomain}.${unicode}` }),
      ...(proxy65.enabled &&
        ports.proxy65 !== false &&
        offers("proxy65") && { proxy: `${proxy65.subdomain}.${unicode}` }),
    };
  });
}

type Rule = (expected: Expected) => Expectation;

/** Promised by modules of the virtual hosts, all of them. */
export const byModule =
  (...names: string[]): Rule =>
  ({ modules, missing, release }) => {
    const absent = names.filter((name) => !modules.has(name));
    if (absent.length === 0) return "expected";
    const isImpossible = (name: string) => missing.has(name) || fateOf(name, release)?.outcome === "dropped";
    if (absent.some(isImpossible)) return { notIn: release };
    return { off: `without the module${absent.length > 1 ? "s" : ""} ${absent.join(" and ")}` };
  };

/** Promised by modules that do the same, any of them; the first is the usual one. */
export const byAnyModule =
  (...names: string[]): Rule =>
  (expected) =>
    byModule(names.find((name) => expected.modules.has(name)) ?? names[0]!)(expected);

/** Promised by a port. */
export const byPort =
  (...ports: (keyof Server["ports"])[]): Rule =>
  ({ server }) => {
    const off = ports.find((port) => server.ports[port] === false);
    return off ? { off: `ports.${off} is false` } : "expected";
  };

/** Promised by a service of its own, and by modules of rooms. */
export const byService =
  (service: "rooms" | "upload" | "proxy", ...modules: string[]): Rule =>
  (expected) => {
    if (!expected[service])
      return { off: `${{ rooms: "conference", upload: "upload", proxy: "proxy65" }[service]} is off` };
    const absent = modules.find((name) => !expected.roomModules.has(name));
    return absent ? { off: `without the module ${absent}` } : "expected";
  };

/** Promised where all rules say so. */
export const all =
  (...rules: Rule[]): Rule =>
  (expected) =>
    rules.map((rule) => rule(expected)).find((expectation) => expectation !== "expected") ?? "expected";

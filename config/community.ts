import { createHash } from "node:crypto";
import { coreModules } from "./module-names";
import { type Release, releases } from "./release";
import { resolveModules } from "./resolve-modules";
import type { Server } from "./settings";

/** Where this program puts modules on the host, each origin in a directory of its own. */
const base = "/usr/local/lib/prosody-pulumi";

/** The community modules of a server, and where they come from. */
export interface CommunityModules {
  /** "package", "directory", or the address of a Mercurial repository. */
  source: string;
  /** Of the repository; "" for another origin. */
  revision: string;
  /**
   * A plugin directory on the host; "" where the distribution's package has its modules in Prosody's own. Other code
   * has another path: so the configuration, which names it, changes with the code, and goes back with it, too.
   */
  path: string;
  /** Path below `path` → content, of the user's own directory. */
  files: Record<string, string>;
  /** Enabled modules that Prosody does not bring itself, or that the user's own directory replaces. */
  modules: string[];
  /** Those of them that take the place of Prosody's own. */
  overrides: string[];
  /** The host needs the distribution's package of community modules. */
  needsPackage: boolean;
}

/** Pure: what the module list needs beyond Prosody itself on a release of it. */
export function communityModules(server: Server, release: Release): CommunityModules {
  const { global, rooms, community } = resolveModules(server, release);
  const origin = server.modulesOrigin;
  if (origin.kind === "package")
    return { ...none, source: "package", modules: sorted(community), needsPackage: community.length > 0 };
  if (origin.kind === "mercurial") {
    const { source, revision } = origin;
    const path = `${base}/${revision.slice(0, 12)}-${digest(source + revision)}`;
    return { ...none, source, revision, path, modules: sorted(community) };
  }
  const own = withNeeds([...global, ...rooms], origin.modules);
  const files = Object.fromEntries(own.flatMap((module) => Object.entries(origin.modules[module]!)).sort());
  return {
    ...none,
    source: "directory",
    path: `${base}/files-${digest(JSON.stringify(files))}`,
    files,
    modules: sorted([...new Set([...community, ...own])]),
    overrides: own.filter((module) => coreModules[release].has(module)),
    needsPackage: community.some((module) => !own.includes(module)),
  };
}

const none = { revision: "", path: "", files: {}, overrides: [], needsPackage: false };

/** Packages of the distribution that a server's community modules need; the same whatever its release. */
export function communityPackages(server: Server): string[] {
  if (server.modulesOrigin.kind === "mercurial") return ["mercurial"];
  return releases.some((release) => communityModules(server, release).needsPackage)
    ? ["prosody-modules"]
    : [];
}

/** Those of the enabled modules that the user's directory has, and what they need of it. */
function withNeeds(enabled: string[], modules: Record<string, Record<string, string>>): string[] {
  const found = new Set<string>();
  const add = (module: string): void => {
    if (found.has(module) || !Object.hasOwn(modules, module)) return;
    found.add(module);
    for (const text of Object.values(modules[module]!))
      for (const [, needed] of text.matchAll(/module:depends\s*\(?\s*["']([\w]+)["']/g)) add(needed!);
  };
  enabled.forEach(add);
  return [...found];
}

const sorted = (names: string[]) => [...names].sort();

const digest = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 8);

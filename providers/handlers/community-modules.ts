import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { closest } from "../../config/words";
import type { CommunityModulesInputs as Inputs, CommunityModulesState as State } from "../community-modules";
import * as scripts from "../community-modules/scripts";
import { type Handler, unequal } from "../handler";
import type { Host } from "../host";
import { differences, isOwn, keepChanges, type Listed, lines, listed } from "../own-directory";
import { writeFiles } from "../ssh/files";

/** The plugin directory of one server, and what its Prosody could load. */
export const communityModulesHandler: Handler<Inputs, State> = {
  inputs: ["source", "revision", "path", "files", "modules", "differing"],
  replaceOn: ["source", "revision", "path"],
  // A clone of a repository with thousands of revisions.
  timeout: 900,

  id: ({ source, path }) => path || source,

  check({ path, files }: Partial<Inputs>) {
    // Where Prosody's package failed, an up that goes on with other servers asks all the same, and skips it then.
    if (path === undefined || !files) return [];
    const isPlain = (name: string) => /^mod_\w+(\.lua|\/[\w][\w. +@/-]*)$/.test(name) && !name.includes("..");
    return [
      ...(path === "" || isOwn(path)
        ? []
        : [{ property: "path", reason: `${path} is no directory of this program.` }]),
      ...Object.keys(files)
        .filter((name) => !isPlain(name))
        .map((name) => ({ property: "files", reason: `${name} is no plain name of a module's file.` })),
    ];
  },

  /**
   * @throws Error for a module that is nowhere, where that is known before anything is changed. What the stack config
   *   wanted already and the host has no longer, as after an upgrade of the distribution, is a difference instead.
   */
  diff(state, inputs) {
    refuseMissing(state, inputs);
    return unequal(communityModulesHandler.inputs, state, inputs);
  },

  create: (host, inputs) => bring(host, inputs),

  async read(host, state) {
    const found = await look(host, state.path);
    if (state.path && !found.isThere) return undefined;
    const offered = offers(state, found);
    const gone = lacking(state.modules, offered).map((name) => `module ${name} is missing`);
    return { ...state, offered, differing: [...differences(state.written, found.files), ...gone] };
  },

  async update(host, state, inputs) {
    refuseMissing(state, inputs);
    await keep(host, state);
    // A tag was resolved when the directory was made.
    return bring(host, inputs, state.node);
  },

  async delete(host, state) {
    if (!state.path) return;
    await keep(host, state);
    await host.run(scripts.remove, {
      doing: `removing ${state.path}`,
      input: lines(state.path, cloneOf(state), state.source),
      changes: true,
    });
  },
};

/** @throws Error for a module that is new in the list, and nowhere */
function refuseMissing(state: State, inputs: Inputs): void {
  const isAnotherList =
    state.source === inputs.source &&
    state.path === inputs.path &&
    !isDeepStrictEqual(state.modules, inputs.modules);
  const problems = isAnotherList ? missing(inputs.modules, state.offered, inputs) : [];
  if (problems.length > 0) throw new Error(problems.join("\n"));
}

/** What the plugin directory and Prosody's own have. */
export interface Found extends Listed {
  /** Modules that Prosody finds without it. */
  modules: string[];
  /** Those of them that come with the distribution's package of community modules. */
  packaged: string[];
}

async function look(host: Host, path: string): Promise<Found> {
  const { stdout } = await host.run(scripts.read, {
    doing: "reading modules",
    input: lines(path),
    together: true,
  });
  return found(stdout);
}

export function found(stdout: string): Found {
  const all = stdout.split("\n");
  return {
    ...listed(stdout),
    modules: named("module", all),
    packaged: named("packaged", all),
  };
}

async function bring(host: Host, inputs: Inputs, node = ""): Promise<State> {
  let state: State = { ...inputs, differing: [], offered: [], brought: [], node, written: {} };
  if (inputs.source === "directory") {
    await writeOwn(host, inputs);
    state.written = Object.fromEntries(
      Object.entries(inputs.files).map(([name, text]) => [name, sha256(text)]),
    );
  } else if (inputs.path) state = { ...state, ...(await fetch(host, inputs, node)) };
  const now = await look(host, inputs.path);
  if (inputs.path && inputs.source !== "directory") state.written = now.files;
  state.offered = offers(state, now);
  const problems = missing(inputs.modules, state.offered, inputs);
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return state;
}

/** Its path has never had other content, so that the files can be put there one by one. */
async function writeOwn(host: Host, { path, files }: Inputs): Promise<void> {
  await host.run(scripts.clear, { doing: `making ${path}`, input: lines(path, "", ""), changes: true });
  const wanted = Object.entries(files).map(([name, content]) => ({
    path: `${path}/${name}`,
    content,
    mode: "0644",
    owner: "root",
    group: "root",
    makeDirectories: true,
  }));
  await writeFiles(host, wanted);
}

async function fetch(host: Host, inputs: Inputs, node: string) {
  const { source, revision, path, modules } = inputs;
  const { stdout } = await host.run(scripts.fetch, {
    doing: `fetching revision ${revision} of ${source}`,
    input: lines(source, node || revision, path, cloneOf(inputs), ...modules),
    timeout: 840,
    changes: true,
    fix: "Does the host reach that address, and does the repository have that revision?",
  });
  const all = stdout.split("\n");
  return {
    node: named("node", all)[0] ?? "",
    offered: named("offered", all),
    brought: named("brought", all).sort(),
  };
}

/** What Prosody finds once the configuration names the plugin directory. */
function offers({ source, revision, offered, files }: State, { modules, packaged }: Found): string[] {
  // Before the package is there, nobody can tell what it will bring.
  if (source === "package" && packaged.length === 0) return [];
  const own = Object.keys(files).map((name) => name.replace(/^mod_(\w+?)(\.lua|\/.*)$/, "$1"));
  // The package goes where a repository takes its place; what the repository's revision has does not change.
  const around = revision ? [...modules.filter((name) => !packaged.includes(name)), ...offered] : modules;
  return [...new Set([...around, ...own])].sort();
}

/** A sentence for each module that neither Prosody nor the origin has. */
export function missing(
  modules: string[],
  offered: string[],
  { source, revision }: Pick<Inputs, "source" | "revision">,
): string[] {
  const where =
    source === "package"
      ? "the distribution's package prosody-modules"
      : source === "directory"
        ? "your directory"
        : `${source} at revision ${revision}`;
  return lacking(modules, offered).map((name) => {
    const near = closest(name, offered);
    const advice = near ? `did you mean ${near}?` : "take it out with prosody:disabledModules.";
    return `module ${name}: neither Prosody nor ${where} has it; ${advice}`;
  });
}

/** Those that the host can't load; none while nobody can tell what it can. */
const lacking = (modules: string[], offered: string[]): string[] =>
  offered.length === 0 ? [] : modules.filter((name) => !offered.includes(name));

async function keep(host: Host, { path, written }: State): Promise<void> {
  if (path) await keepChanges(host, "modules", path, written, await look(host, path));
}

/** Name of the clone, beside the plugin directories that are made from it. */
function cloneOf({ source, path }: Pick<Inputs, "source" | "path">): string {
  return source === "directory" || path === "" ? "" : `repository-${sha256(source).slice(0, 8)}`;
}

function named(mark: string, all: string[]): string[] {
  return all.filter((line) => line.startsWith(`${mark} `)).map((line) => line.slice(mark.length + 1));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

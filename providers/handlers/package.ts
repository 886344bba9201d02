import { packages } from "../facts/packages";
import type { Handler } from "../handler";
import type { Host } from "../host";
import type { PackageInputs, PackageState } from "../package";
import { packageManager } from "../packages";

type Found = Pick<PackageState, "version" | "adopted" | "brought">;

/** What this process did to a host's packages: resources arrive one by one and in any order. */
interface Run {
  /** Came along with a package of the stack: whoever wants it by name did not find it there before the stack. */
  brought: Set<string>;
  /** Asked to be removed, but something else needed them then. */
  left: Set<string>;
}

const runs = new WeakMap<Host, Run>();

function runOf(host: Host): Run {
  const run = runs.get(host) ?? { brought: new Set(), left: new Set() };
  runs.set(host, run);
  return run;
}

/** A package of the distribution. */
export const packageHandler: Handler<PackageInputs, PackageState> = {
  inputs: ["package", "installed", "version"],
  replaceOn: ["server", "package"],
  timeout: 900,

  id: ({ package: name }) => name,

  check: ({ package: name, installed }) => [
    // Debian Policy 5.6.7, and wide enough for an RPM: what no package manager takes for an option or a version.
    ...(/^[a-zA-Z0-9][a-zA-Z0-9+._-]*$/.test(name)
      ? []
      : [{ property: "package", reason: `${JSON.stringify(name)} is no package name.` }]),
    ...(installed ? [] : [{ property: "installed", reason: "a package resource is always installed." }]),
  ],

  complete: (inputs, old) => (old?.version ? { ...inputs, version: old.version } : inputs),

  /** The version is the distribution's business: an upgrade is no drift. */
  diff: (state, inputs) =>
    (["server", "package", "installed"] as const).filter((name) => state[name] !== inputs[name]),

  async create(host, inputs) {
    const found = await host.group("packages install", inputs.package, (names) => install(host, names));
    return { ...inputs, ...found };
  },

  async read(host, state) {
    const { installed } = await host.fact(packages);
    const version = installed[state.package];
    return { ...state, installed: version !== undefined, version: version ?? state.version };
  },

  async update(host, state, inputs) {
    const found = await host.group("packages install", inputs.package, (names) => install(host, names));
    const brought = [...new Set([...state.brought, ...found.brought])].sort();
    return { ...inputs, version: found.version, adopted: state.adopted, brought };
  },

  async delete(host, state) {
    if (!state.adopted) await host.group("packages remove", state, (states) => remove(host, states));
  },
};

async function install(host: Host, names: string[]): Promise<(Found | Error)[]> {
  const before = await host.fact(packages);
  const run = runOf(host);
  const wanted = [
    ...new Set(names.filter((name) => !Object.hasOwn(before.installed, name) || run.brought.has(name))),
  ];
  const failures =
    wanted.length > 0 ? await packageManager(before).install(host, before, wanted) : new Map<string, Error>();
  const after = wanted.length > 0 ? await host.fact(packages) : before;
  const fresh = Object.keys(after.installed).filter((name) => !Object.hasOwn(before.installed, name));
  const brought = fresh.filter((name) => !wanted.includes(name)).sort();
  for (const name of brought) run.brought.add(name);
  for (const name of wanted) run.brought.delete(name);
  return names.map((name) => {
    const version = after.installed[name];
    if (failures.has(name)) return failures.get(name)!;
    if (version === undefined)
      return new Error(
        `the package manager reported success, but ${name} is not installed. Is it a virtual package?`,
      );
    const adopted = !wanted.includes(name);
    return { version, adopted, brought: adopted ? [] : brought };
  });
}

async function remove(host: Host, states: PackageState[]): Promise<undefined[]> {
  const known = await host.fact(packages);
  const names = [...new Set(states.map(({ package: name }) => name))].filter((name) =>
    Object.hasOwn(known.installed, name),
  );
  if (names.length > 0) {
    const { left } = runOf(host);
    const brought = [...new Set([...states.flatMap((state) => state.brought), ...left])];
    for (const name of await packageManager(known).remove(host, names, brought)) left.add(name);
  }
  return states.map(() => undefined);
}

import { packageName } from "../../config/family";
import { type OsRelease, osRelease } from "../facts/os-release";
import { type Installed, packages } from "../facts/packages";
import { selinuxMode } from "../facts/selinux";
import type { Handler } from "../handler";
import type { Host } from "../host";
import type { PackageInputs, PackageState } from "../package";
import { packageManagers } from "../packages";

type Found = Pick<PackageState, "version" | "family" | "adopted" | "brought">;

/** What this process did to a host's packages: resources arrive one by one and in any order. */
interface Run {
  /** Came along with a package of the stack: whoever wants it by name did not find it there before the stack. */
  brought: Set<string>;
  /** Asked to be removed, but something else needed them then; unless they are wanted again, as by `--replace`. */
  left: Set<string>;
  /** Put there by the stack, as read; a resource under another of Debian's names may take it over. */
  ours: Set<string>;
  /** Package → what it is called on Debian by those who wanted it in this run: another name's end must not take it. */
  askedAs: Map<string, Set<string>>;
  /** Ends with what is under way: what a removal finds to be needed by nothing must stay so until it is gone. */
  last: Promise<unknown>;
}

const runs = new WeakMap<Host, Run>();

function runOf(host: Host): Run {
  const run = runs.get(host) ?? {
    brought: new Set(),
    left: new Set(),
    ours: new Set(),
    askedAs: new Map(),
    last: Promise.resolve(),
  };
  runs.set(host, run);
  return run;
}

/** Installs or removes after all that was begun before. */
function inTurn<T>(host: Host, change: () => Promise<T>): Promise<T> {
  const run = runOf(host);
  const changed = run.last.then(change);
  run.last = changed.catch(() => undefined);
  return changed;
}

const bring = (host: Host, name: string) =>
  host.group("packages install", name, (names) => inTurn(host, () => install(host, names)));

/** A package of the distribution. */
export const packageHandler: Handler<PackageInputs, PackageState> = {
  inputs: ["package", "installed", "version", "family"],
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

  complete: (inputs, old) => (old?.family ? { ...inputs, version: old.version, family: old.family } : inputs),

  /** The version and the family are the host's business: an upgrade is no drift. */
  diff: (state, inputs) =>
    (["package", "when", "installed"] as const).filter(
      (name) => state[name] !== inputs[name] && !(name === "installed" && state.needed === false),
    ),

  async create(host, inputs) {
    const { os, version, needed } = await look(host, inputs);
    if (needed === false)
      return {
        ...inputs,
        needed,
        installed: version !== undefined,
        version: version ?? "",
        family: os.family,
        adopted: true,
        brought: [],
      };
    const found = await bring(host, inputs.package);
    return { ...inputs, ...(needed && { needed }), ...found };
  },

  async read(host, state) {
    host.fact(packages(state.family)).catch(() => undefined); // beside the distribution, which is the same as before
    const { os, version, needed } = await look(host, state);
    const here = packageName(os.family, state.package);
    if (here !== undefined && version !== undefined && !state.adopted) runOf(host).ours.add(here);
    return {
      ...state,
      ...(needed !== undefined && { needed }),
      installed: version !== undefined,
      version: version ?? state.version,
      family: os.family,
    };
  },

  async update(host, state, inputs) {
    const { needed } = await look(host, inputs);
    if (needed === false) return { ...state, ...inputs, needed, installed: state.installed };
    const found = await bring(host, inputs.package);
    const brought = [...new Set([...state.brought, ...found.brought])].sort();
    const adopted = state.needed === false ? found.adopted : state.adopted;
    return { ...inputs, ...(needed && { needed }), ...found, adopted, brought };
  },

  async delete(host, state) {
    if (!state.adopted)
      await host.group("packages remove", state, (states) => inTurn(host, () => remove(host, states)));
  },
};

/** What a host says about one package. */
async function look(
  host: Host,
  { package: name, when }: Pick<PackageInputs, "package" | "when">,
): Promise<{ os: OsRelease; version: string | undefined; needed?: boolean }> {
  const { os, installed } = await lookAtAll(host);
  const here = packageName(os.family, name);
  if (here === undefined) return { os, version: undefined, needed: false };
  const needed = when && (await host.fact(selinuxMode)) !== "disabled";
  return { os, version: installed[here], needed };
}

/** @throws Error for a distribution of an unknown family: what comes first on a host, so that nothing is changed. */
async function lookAtAll(host: Host): Promise<{ os: OsRelease; installed: Installed }> {
  const os = await host.fact(osRelease);
  return { os, installed: await host.fact(packages(os.family)) };
}

/** @param asked names on Debian, of packages that the host's family has */
async function install(host: Host, asked: string[]): Promise<(Found | Error)[]> {
  const before = await lookAtAll(host);
  const { os } = before;
  const run = runOf(host);
  const names = asked.map((name) => packageName(os.family, name) ?? name);
  names.forEach((name, index) => {
    run.askedAs.set(name, (run.askedAs.get(name) ?? new Set()).add(asked[index]!));
  });
  const wanted = [
    ...new Set(
      names.filter(
        (name) => !Object.hasOwn(before.installed, name) || run.brought.has(name) || run.left.has(name),
      ),
    ),
  ];
  const failures =
    wanted.length > 0 ? await packageManagers[os.family].install(host, os, wanted) : new Map<string, Error>();
  const after = wanted.length > 0 ? await lookAtAll(host) : before;
  const fresh = Object.keys(after.installed).filter((name) => !Object.hasOwn(before.installed, name));
  const brought = fresh.filter((name) => !wanted.includes(name)).sort();
  for (const name of brought) run.brought.add(name);
  for (const name of wanted) {
    run.brought.delete(name);
    run.left.delete(name);
  }
  return names.map((name) => {
    const version = after.installed[name];
    if (failures.has(name)) return failures.get(name)!;
    if (version === undefined)
      return new Error(
        `the package manager reported success, but ${name} is not installed. Look at \`${os.family === "debian" ? "apt-cache policy" : "dnf info"} ${name}\` on the host.`,
      );
    const adopted = !wanted.includes(name) && !run.ours.has(name);
    return { version, family: os.family, adopted, brought: wanted.includes(name) ? brought : [] };
  });
}

async function remove(host: Host, states: PackageState[]): Promise<undefined[]> {
  const { os, installed } = await lookAtAll(host);
  const { left, askedAs } = runOf(host);
  const goes = ({ package: asked }: PackageState) => {
    const name = packageName(os.family, asked);
    const isFree = name !== undefined && [...(askedAs.get(name) ?? [])].every((other) => other === asked);
    return isFree && Object.hasOwn(installed, name) ? [name] : [];
  };
  const names = [...new Set(states.flatMap(goes))];
  if (names.length > 0) {
    const brought = [...new Set([...states.flatMap((state) => state.brought), ...left])];
    for (const name of await packageManagers[os.family].remove(host, names, brought)) left.add(name);
  }
  return states.map(() => undefined);
}

import { type Rpm, rpms, withoutRpm } from "./packages";

/** A Debian package, unpacked. */
export interface Deb {
  name: string;
  /** `[epoch:]upstream[-revision]` */
  version: string;
  /** The fields Pre-Depends and Depends, see deb-control(5). */
  depends: string;
  provides: string;
}

/** What lies in the tree of an RPM: a path, with a slash at the end of a directory that the base does not have. */
export type Tree = readonly string[];

export const dist = "fc42";

/** Which RPM a Debian package goes into; `undefined` for one that Fedora has no use for. */
export function rpmOf(deb: string): string | undefined {
  if (withoutRpm.includes(deb)) return undefined;
  return Object.entries(rpms).find(([, { debs }]) => debs.includes(deb))?.[0] ?? deb;
}

/**
 * The names of the RPMs that an RPM needs: those of what its Debian packages depend on, as far as they are made;
 * everything else is in the base.
 */
export function requirements(rpm: string, debs: readonly Deb[]): string[] {
  const makers = new Map(
    debs.flatMap((deb) => [deb.name, ...words(deb.provides)].map((name) => [name, rpmOf(deb.name)])),
  );
  const needed = debs
    .filter(({ name }) => rpmOf(name) === rpm)
    .flatMap(({ depends }) => depends.split(","))
    .flatMap((alternatives) => {
      const names = alternatives.split("|").flatMap(words);
      return names.map((name) => makers.get(name)).find((name) => name !== undefined) ?? [];
    });
  return [...new Set(needed)].filter((name) => name !== rpm).sort();
}

/** Names in a relation, without versions and architectures. */
function words(relation: string): string[] {
  return relation.split(",").flatMap((each) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(each)?.[1] ?? []);
}

/**
 * One spec file (https://rpm-software-management.github.io/rpm/manual/spec.html) for all RPMs, whose files lie in
 * /build/tree/NAME already.
 */
export function spec(debs: readonly Deb[], trees: Record<string, Tree>): string {
  return `Name: lab
Version: 1
Release: 1
Summary: The RPMs of the lab
License: various
AutoReqProv: no
%description
%prep
%build
%install
for tree in /build/tree/*; do cp -al "$tree/." %{buildroot}; done
${Object.entries(trees)
  .map(([name, tree]) => subpackage(name, debs, tree))
  .join("\n")}`;
}

function subpackage(name: string, debs: readonly Deb[], tree: Tree): string {
  const rpm: Rpm = rpms[name] ?? { debs: [name] };
  const { epoch, version } = versionOf(debs.find((deb) => deb.name === rpm.debs[0])!.version);
  const units = tree.flatMap(
    (path) => /^\/usr\/lib\/systemd\/system\/([^/@]+\.service)$/.exec(path)?.[1] ?? [],
  );
  const has = (directory: string) => tree.some((path) => path.startsWith(directory));
  const post = [
    // What triggers of systemd's and glibc's own packages do on Fedora.
    has("/usr/lib/sysusers.d/") && "systemd-sysusers",
    has("/usr/lib/tmpfiles.d/") && "systemd-tmpfiles --create || :",
    tree.some((path) => /\/lib.*\.so\./.test(path)) && "ldconfig",
    has("/usr/share/dbus-1/") && "systemctl reload dbus 2>/dev/null || :",
    units.length > 0 && "systemctl daemon-reload 2>/dev/null || :",
    ...units.map((unit) => rpm.enabled && `[ $1 != 1 ] || systemctl enable ${unit} 2>/dev/null || :`),
    rpm.post,
  ].filter(Boolean);
  const preun = units.map((unit) => `[ $1 != 0 ] || systemctl --no-reload disable --now ${unit} || :`);
  const postun = units.length > 0 ? ["systemctl daemon-reload 2>/dev/null || :"] : [];
  const scriptlets = { pre: rpm.pre ? [rpm.pre] : [], post, preun, postun };
  const special = new Set((rpm.attributes ?? []).map((line) => line.split(" ").at(-1)));
  return [
    `%package -n ${name}`,
    `Summary: ${name}, as Debian builds it`,
    ...(epoch ? [`Epoch: ${epoch}`] : []),
    `Version: ${version}`,
    `Release: 1.${dist}`,
    "AutoReqProv: no",
    ...[...(rpm.requires ?? []), ...requirements(name, debs)].map(
      (requirement) => `Requires: ${requirement}`,
    ),
    ...(rpm.provides ?? []).map((capability) => `Provides: ${capability}`),
    `%description -n ${name}`,
    ...Object.entries(scriptlets).flatMap(([kind, lines]) =>
      lines.length > 0 ? [`%${kind} -n ${name}`, ...lines, "exit 0"] : [],
    ),
    `%files -n ${name}`,
    "%defattr(-,root,root)",
    ...(rpm.attributes ?? []),
    ...tree.filter((path) => !special.has(path.replace(/\/$/, ""))).map(fileLine),
    "",
  ].join("\n");
}

function fileLine(path: string): string {
  if (path.endsWith("/")) return `%dir "${path.slice(0, -1)}"`;
  return path.startsWith("/etc/") ? `%config(noreplace) "${path}"` : `"${path}"`;
}

/** Fedora's versions have no revision of Debian's, and no character that RPM uses itself. */
export function versionOf(debian: string): { epoch: string; version: string } {
  const [, epoch = "", rest = ""] = /^(?:(\d+):)?(.*)$/.exec(debian)!;
  const upstream = rest.includes("-") ? rest.slice(0, rest.lastIndexOf("-")) : rest;
  return { epoch, version: upstream.replace(/-/g, ".") };
}

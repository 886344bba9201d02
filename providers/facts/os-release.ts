import type { Family } from "../../config/family";
import type { Fact } from "../host";

/** The host's distribution. */
export interface OsRelease {
  /** Decides package manager, names of packages, and paths. */
  family: Family;
  /** `ID` of os-release(5), e.g. "debian", "ubuntu", "rocky". */
  id: string;
  /** `VERSION_ID`, e.g. "13", "24.04"; empty on rolling releases. */
  version: string;
  /** For people: `PRETTY_NAME`. */
  name: string;
}

const families: Record<string, Family> = {
  debian: "debian",
  ubuntu: "debian",
  fedora: "fedora",
  rhel: "fedora",
  centos: "fedora",
};

/** os-release(5): which distribution the host runs. */
export const osRelease: Fact<OsRelease> = {
  name: "/etc/os-release",
  script: "cat /etc/os-release || cat /usr/lib/os-release",
  parse: parseOsRelease,
  lasting: true,
};

/** @throws Error for a distribution that is of neither family */
export function parseOsRelease(text: string): OsRelease {
  const values = new Map(text.split("\n").flatMap(assignment));
  const id = values.get("ID") ?? "linux";
  const name = values.get("PRETTY_NAME") ?? id;
  const family = [id, ...(values.get("ID_LIKE") ?? "").split(/\s+/)].flatMap(
    (each) => families[each] ?? [],
  )[0];
  if (!family)
    throw new Error(
      `the host runs ${name} (ID=${id}), which is not supported. Use a distribution of the families Debian (Debian, Ubuntu) or Fedora (Fedora, RHEL, Rocky, AlmaLinux, CentOS Stream).`,
    );
  return { family, id, version: values.get("VERSION_ID") ?? "", name };
}

/** One line in shell syntax: a name, and a value that may be in quotation marks. */
function assignment(line: string): [string, string][] {
  const match = /^([A-Z][A-Z0-9_]*)=(.*?)\s*$/.exec(line);
  if (!match) return [];
  const [, name, value] = match;
  const quoted = /^(["'])(.*)\1$/.exec(value!);
  return [[name!, (quoted ? quoted[2]! : value!).replace(/\\(.)/g, "$1")]];
}

import type { Fact } from "../host";

/** What a host's package manager knows. */
export interface Packages {
  /** The distribution as it calls itself, e.g. "Debian GNU/Linux 13 (trixie)". */
  os: string;
  /** "apt"; empty when the host has no package manager that this program knows. */
  manager: string;
  /** Name → version of what is really installed: neither removed with its configuration left, nor half unpacked. */
  installed: Record<string, string>;
}

/** All packages at once: it is as quick as asking for one of them, and every package resource shares it. */
export const packages: Fact<Packages> = {
  name: "packages",
  script: `. /etc/os-release
echo "$PRETTY_NAME"
if command -v apt-get >/dev/null; then
  echo apt
  dpkg-query -W -f '\${db:Status-Status} \${Package} \${Version}\\n'
fi`,
  parse(stdout) {
    const [os = "", manager = "", ...lines] = stdout.split("\n");
    const rows = lines.map((line) => line.split(" ")).filter(([status]) => status === "installed");
    return { os, manager, installed: Object.fromEntries(rows.map(([, name, version]) => [name, version])) };
  },
};

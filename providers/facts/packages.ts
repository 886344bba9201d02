import type { Family } from "../../config/family";
import type { Fact } from "../host";

/** Name → version of what is really installed: neither removed with its configuration left, nor half unpacked. */
export type Installed = Record<string, string>;

const scripts: Record<Family, string> = {
  debian: `dpkg-query -W -f '\${db:Status-Status} \${Package} \${Version}\\n'`,
  fedora: `rpm -qa --qf 'installed %{NAME} %{EVR}\\n'`,
};

/** All packages at once: it is as quick as asking for one of them, and every package resource shares it. */
export const packages = (family: Family): Fact<Installed> => ({
  name: `packages of ${family}`,
  script: scripts[family],
  parse: (stdout) =>
    Object.fromEntries(
      [...stdout.matchAll(/^installed (\S+) (\S+)$/gm)].map(([, name, version]) => [name, version]),
    ),
});

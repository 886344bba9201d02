import type { Writable } from "node:stream";
import { archiveDirectory } from "../archive";
import type { Host } from "../host";
import { lengthPrefixed, luaInput, luaScript } from "../lua";
import { sh } from "../ssh/quote";
import type { Manifest } from "./manifest";
import { collect } from "./scripts";
import type { Survey } from "./survey";

/** Seconds that a transfer may take: what limits it is the size of the data. */
export const transferTime = 24 * 3600;

/**
 * Writes all that a server consists of as a compressed tar archive: its manifest, checksums, data, databases,
 * configuration, certificates with their keys, and the archives of deleted accounts.
 * @param to where it goes; or "host", for an archive that stays on the host
 * @returns milliseconds for which Prosody was stopped, and the path of an archive on the host
 */
export async function save(
  host: Host,
  found: Survey,
  to: Writable | "host",
): Promise<{ manifest: Manifest; outage: number; path?: string }> {
  const manifest: Manifest = {
    format: 1,
    date: new Date().toISOString(),
    server: host.name,
    prosody: found.version!,
    hosts: found.hosts,
    storage: {
      files: found.files,
      databases: found.databases.map(({ driver, database }) => ({ driver, database })),
    },
  };
  const path = `${archiveDirectory}/replaced-${manifest.date.replace(/[-:]|\.\d+/g, "")}.tar.gz`;
  const target =
    to === "host"
      ? sh`umask 077; mkdir -p ${archiveDirectory}; exec 3>${`${path}.part`} >&2`
      : "exec 3>&1 >&2";
  // An archive on the host has its name once it is whole.
  const end =
    to === "host"
      ? sh` && mv ${`${path}.part`} ${path} || { code=$?; rm -f ${`${path}.part`}; exit $code; }`
      : "";
  const { stderr } = await host.run(`${target}\n(\n${luaScript}\n)${end}`, {
    doing: "backing up Prosody's data",
    input: luaInput(
      ["wire", "common", "prosody", "databases", "backup"],
      Buffer.concat([`${JSON.stringify(manifest, undefined, 2)}\n`, collect].map(lengthPrefixed)),
    ),
    streams: to === "host" ? undefined : { output: to },
    timeout: transferTime,
  });
  const outage = Number(/^outage (\d+)$/m.exec(stderr)?.[1] ?? 0);
  return { manifest, outage, path: to === "host" ? path : undefined };
}

import type { Readable } from "node:stream";
import { releaseOf, releases } from "../../config/release";
import type { Storage } from "../../config/settings";
import { osRelease } from "../facts/os-release";
import type { Host } from "../host";
import { lengthPrefixed, luaInput, luaScript } from "../lua";
import { packageManagers } from "../packages";
import { sh } from "../ssh/quote";
import type { Manifest } from "./manifest";
import { save, transferTime } from "./save";
import { place, receive, stages } from "./scripts";
import { survey } from "./survey";

export interface Restored {
  /** Milliseconds for which Prosody was stopped; 0 where it did not run. */
  outage: number;
  /** Archive on the host of what was there before. */
  replaced?: string;
  /** Prosody runs; on a host without it before, that is left to `pulumi up`. */
  runs: boolean;
}

/**
 * Brings the data of a backup to a host. What the stack config says (configuration, certificates) is left to
 * `pulumi up`. Where Prosody is missing, it is installed first, and not started.
 * @param archive the decrypted archive, opened when all else is done
 * @param storage where a host without Prosody will keep its data, by the stack config
 * @param replace the host may have data, which is archived there and replaced
 * @throws Error when the host has data (without `replace`), an older Prosody, another storage, or the archive is
 *   damaged; then nothing was changed
 */
export async function restore(
  host: Host,
  manifest: Manifest,
  archive: () => Promise<Readable>,
  storage: Storage["kind"],
  replace: boolean,
): Promise<Restored> {
  const before = await host.fact(survey);
  const fresh = before.version === undefined;
  refuseStorage(manifest, fresh ? storage : before);
  const hasDump = dumps(manifest).length > 0;
  const data = before.data;
  const there = await dataFiles(host, data);
  if (hasDump) there.unshift("a database");
  if (there.length > 0 && !replace)
    throw new Error(
      `${host.name} has data: ${there.slice(0, 3).join(", ")}${there.length > 3 ? ` and ${there.length - 3} more files` : ""} in ${data}. To replace them, add --replace: they are archived on the host first.`,
    );
  if (fresh) await install(host);
  const now = await host.fact(survey);
  refuseOlder(host, manifest, now.version!);
  await host.run(receive(data), {
    doing: "bringing the backup to the host",
    streams: { input: await archive() },
    timeout: transferTime,
    changes: true,
    fix: "No data was changed.",
  });
  const replaced = there.length > 0 ? await save(host, now, "host") : undefined;
  const { stderr } = await host.run(hasDump ? luaScript : place(data), {
    doing: "putting the backup in place",
    input: hasDump ? placing(data) : undefined,
    timeout: hasDump ? transferTime : 600,
    changes: true,
  });
  const outage = /^outage (\d+)$/m.exec(stderr)?.[1];
  return { outage: Number(outage ?? 0), replaced: replaced?.path, runs: outage !== undefined };
}

const placing = (data: string) =>
  luaInput(
    ["wire", "common", "prosody", "databases", "restore"],
    Buffer.concat([place(data), `${data}/${stages.restore}`].map(lengthPrefixed)),
  );

/** Databases that a backup has as statements of SQL; SQLite's are files. */
const dumps = ({ storage }: Manifest) => storage.databases.filter(({ driver }) => driver !== "SQLite3");

/** Files with somebody's data; Prosody's notes of when it ran which task are nobody's. */
async function dataFiles(host: Host, data: string): Promise<string[]> {
  const { stdout } = await host.run(
    sh`cd ${data} 2>/dev/null || exit 0
find . -path ./${stages.backup} -prune -o -path ./${stages.restore} -prune -o -type f ! -name cron.dat ! -name .shell_history ! -name '*~' -printf '%P\\n' | sort`,
    { doing: "looking for data on the host" },
  );
  return stdout.split("\n").filter(Boolean);
}

/** Debian's package starts the service, with a configuration that nobody wrote. */
async function install(host: Host): Promise<void> {
  const os = await host.fact(osRelease);
  const failures = await packageManagers[os.family].install(host, os, ["prosody"]);
  for (const failure of failures.values()) throw failure;
  await host.run("systemctl stop prosody", { doing: "stopping the new Prosody", changes: true });
}

/** Prosody reads what older releases wrote, not the other way round. */
function refuseOlder(host: Host, manifest: Manifest, version: string): void {
  const [from, to] = [manifest.prosody, version].map((each) => releases.indexOf(releaseOf(each)));
  if (from! <= to!) return;
  throw new Error(
    `the backup is of Prosody ${manifest.prosody}, and ${host.name} has ${version}, which can't read its data. Use a host with a newer distribution.`,
  );
}

/** @param found what the host uses; or, where it has no Prosody yet, what the stack config says */
function refuseStorage(manifest: Manifest, found: Manifest["storage"] | Storage["kind"]): void {
  if (dumps(manifest).length > 1)
    throw new Error(
      `the backup has ${dumps(manifest).length} dumps of databases, which this program can't tell apart: let psql do it, see docs/operations.md`,
    );
  const fresh = typeof found === "string";
  if (fresh && dumps(manifest).length > 0)
    throw new Error(
      "the backup has a dump of a database, and the host has no server yet. Bring it up first (pulumi up), with the backup's storage, and restore then, with --replace.",
    );
  if (fresh && manifest.storage.files) return; // `pulumi up` moves files to any storage
  const kind = ({ files, databases }: Manifest["storage"]) =>
    [...(files ? ["files"] : []), ...databases.map(({ driver }) => driver)].sort().join(" and ");
  const [needs, uses] = [kind(manifest.storage), fresh ? kinds[found] : kind(found)];
  if (needs === uses) return;
  throw new Error(
    `the backup has its data in ${needs}, and the ${fresh ? "stack config" : "host"} uses ${uses}. Let the stack config use the former (prosody:storage), bring that to a server that is there already by pulumi up, restore, and change it then.`,
  );
}

const kinds: Record<Storage["kind"], string> = {
  internal: "files",
  sqlite: "SQLite3",
  postgresql: "PostgreSQL",
};

import type { Readable } from "node:stream";
import { releaseOf, releases } from "../../config/release";
import { osRelease } from "../facts/os-release";
import type { Host } from "../host";
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
 * @param replace the host may have data, which is archived there and replaced
 * @throws Error when the host has data (without `replace`), an older Prosody, another storage, or the archive is
 *   damaged; then nothing was changed
 */
export async function restore(
  host: Host,
  manifest: Manifest,
  archive: () => Promise<Readable>,
  replace: boolean,
): Promise<Restored> {
  const before = await host.fact(survey);
  refuseStorage(manifest, before.version ? before : undefined);
  const data = before.data;
  const there = await dataFiles(host, data);
  if (there.length > 0 && !replace)
    throw new Error(
      `${host.name} has data: ${there.slice(0, 3).join(", ")}${there.length > 3 ? ` and ${there.length - 3} more files` : ""} in ${data}. To replace them, add --replace: they are archived on the host first.`,
    );
  const fresh = before.version === undefined;
  if (fresh) await install(host);
  const { version } = await host.fact(survey);
  refuseOlder(host, manifest, version!);
  await host.run(receive(data), {
    doing: "bringing the backup to the host",
    streams: { input: await archive() },
    timeout: transferTime,
    changes: true,
    fix: "No data was changed.",
  });
  const replaced = there.length > 0 && before.version ? await save(host, before, "host") : undefined;
  const { stderr } = await host.run(place(data), {
    doing: "putting the backup in place",
    timeout: 600,
    changes: true,
  });
  const outage = /^outage (\d+)$/m.exec(stderr)?.[1];
  return { outage: Number(outage ?? 0), replaced: replaced?.path, runs: outage !== undefined };
}

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

/** Only where the host says what it uses. */
function refuseStorage(manifest: Manifest, found: Manifest["storage"] | undefined): void {
  if (manifest.storage.databases.some(({ driver }) => driver !== "SQLite3"))
    throw new Error(
      "the backup has a database dump, which this program can't bring back: let psql do it, see docs/operations.md",
    );
  if (!found) return;
  const kind = ({ files, databases }: Manifest["storage"]) =>
    [...(files ? ["files"] : []), ...databases.map(({ driver }) => driver)].sort().join(" and ");
  if (kind(manifest.storage) === kind(found)) return;
  throw new Error(
    `the backup has its data in ${kind(manifest.storage)}, and the host uses ${kind(found)}. Let the stack config use the former (prosody:storage), bring it there with pulumi up, restore, and change it then.`,
  );
}

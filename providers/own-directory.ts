import { archiveDirectory, pack } from "./archive";
import { mainFile } from "./configuration/scripts";
import type { Host } from "./host";

/** Below it is everything that this program puts on a host for modules and the web client. */
export const base = "/usr/local/lib/prosody-pulumi";

/** Whether a path is that of a directory whose name tells its content. */
export function isOwn(path: string): boolean {
  return new RegExp(`^${base}/[A-Za-z0-9][\\w.+-]*-[0-9a-f]{8}$`).test(path);
}

/**
 * Shell: lists the directory `$path`, for {@link listed}. Prints "there", then "file SHA256 PATH" for each file; what
 * is no plain file has no sum.
 */
export const listing = `if [ -n "$path" ] && [ -d "$path" ]; then
  echo there
  { find "$path" -type f -exec sha256sum {} + | sed 's/^\\([0-9a-f]*\\)  /\\1 /'
    find "$path" ! -type d ! -type f | sed 's/^/ /'
  } | sed "s,^\\([0-9a-f]*\\) $path/,file \\1 ," | sort -k 3
fi
`;

/**
 * Shell: ends the script where the configuration names `$path`. A replacement that nothing but `--replace` asks for is
 * made in the place of the former directory, which is deleted after it.
 */
export const leaveUsed = `if grep -qsF -e "$path" ${mainFile}; then exit 0; fi
`;

/** Reads a directory's path, and lists it. */
export const list = `read -r path
${listing}`;

/** Reads a directory's path and a name, and keeps the directory's content in an archive of that name. */
export const archive = `set -eu
${pack}umask 077
read -r path; read -r name
[ -d "$path" ] || exit 0
mkdir -p ${archiveDirectory}
archive=${archiveDirectory}/$name-$(date -u +%Y%m%dT%H%M%SZ).tar.gz
pack "$archive" -C "$path" .
echo "$archive"
`;

/** What {@link listing} prints. */
export interface Listed {
  isThere: boolean;
  /** Path below the directory → SHA-256; "" for what is no plain file. */
  files: Record<string, string>;
}

/** Reads what {@link listing} prints. */
export function listed(stdout: string): Listed {
  const all = stdout.split("\n");
  const files = all.flatMap((line) => {
    const [, sum, name] = /^file (\S*) (.+)$/.exec(line) ?? [];
    return name === undefined ? [] : [[name, sum!] as const];
  });
  return { isThere: all.includes("there"), files: Object.fromEntries(files) };
}

/** A sentence for each file that is not as it was written. */
export function differences(written: Record<string, string>, files: Record<string, string>): string[] {
  return [...new Set([...Object.keys(written), ...Object.keys(files)])].sort().flatMap((name) => {
    if (!Object.hasOwn(files, name)) return [`${name} is missing`];
    if (!Object.hasOwn(written, name)) return [`${name} was added`];
    return files[name] === written[name] ? [] : [`${name} was edited`];
  });
}

/**
 * An archive of what somebody changed in a directory, before it is replaced.
 * @param name beginning of the archive's name
 * @param now what is there
 */
export async function keepChanges(
  host: Host,
  name: string,
  path: string,
  written: Record<string, string>,
  now: Listed,
): Promise<void> {
  if (!now.isThere || !differences(written, now.files).some((text) => !text.endsWith("is missing"))) return;
  await host.run(archive, { doing: `archiving ${path}`, input: lines(path, name) });
}

/** A line for each text, as scripts read them. */
export function lines(...all: string[]): string {
  return all.map((line) => `${line}\n`).join("");
}

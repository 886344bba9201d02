import assert from "node:assert/strict";
import type { Host } from "../host";

/** A file on a host. */
export interface RemoteFile {
  content: string;
  /** Octal with a leading zero, e.g. "0640". */
  mode: string;
  /** Name; the number, where the host has no name for it. */
  owner: string;
  group: string;
}

/** A file to be written. */
export interface WantedFile extends RemoteFile {
  /** Absolute. */
  path: string;
  /** Makes missing directories above it, root:root 0755. Default: a missing directory is an error. */
  makeDirectories?: boolean;
}

/** Reads a path per line; prints per path: missing, or mode, names and numbers of the owners, and the content. */
export const readFilesScript = `# read files
while IFS= read -r path; do
  if [ ! -e "$path" ]; then echo missing; continue; fi
  [ -f "$path" ] || { echo "$path is no regular file" >&2; exit 1; }
  stat -Lc '%a %U %G %u %g' -- "$path" && base64 -w 0 -- "$path" && echo || exit 1
done`;

/**
 * Stages every file beside its place (so that the file gets the directory's SELinux label, and takes the place of
 * the old one in one step), with its final mode and owner, and only then moves them all. If anything fails before
 * that, nothing has changed. The input has a line of properties per file, and then the bytes that it counts.
 */
export const writeFilesScript = `# write files
set -eu
trap 'while [ $# -gt 0 ]; do rm -f -- "$1"; shift 2; done' EXIT
while IFS=' ' read -r mode owner group directories size path; do
  [ "$directories" = keep ] || mkdir -p -- "\${path%/*}/"
  [ ! -d "$path" ] || { echo "$path is a directory" >&2; exit 1; }
  staged=$(mktemp "\${path%/*}/.new.XXXXXXXXXX")
  set -- "$@" "$staged" "$path"
  head -c "$size" > "$staged"
  [ "$(stat -c %s -- "$staged")" = "$size" ] || { echo "$path arrived incomplete" >&2; exit 1; }
  chown -- "$owner:$group" "$staged"
  chmod -- "$mode" "$staged"
done
while [ $# -gt 0 ]; do
  mv -fT -- "$1" "$2"
  shift 2
done`;

/** Reads a path per line and removes it. */
export const removeFilesScript = `# remove files
while IFS= read -r path; do rm -f -- "$path" || exit 1; done`;

/**
 * Reads files of a host in one remote command, which others that read share.
 * @returns per path the file, or `undefined` where there is none. Links are followed.
 * @throws Error when something that is no regular file is there
 */
export async function readFiles(
  host: Host,
  paths: readonly string[],
): Promise<Map<string, RemoteFile | undefined>> {
  paths.forEach(checkPath);
  const { stdout } = await host.run(readFilesScript, {
    doing: "reading files",
    input: lines(paths),
    together: true,
  });
  return parseFiles(stdout, paths);
}

/**
 * Writes files in one round trip: all are staged before the first takes its place, and each takes it in one step.
 * Contents go over standard input alone.
 * @throws Error when an owner does not exist, a directory is missing, or the disk is full; no file is changed then
 */
export async function writeFiles(host: Host, files: readonly WantedFile[]): Promise<void> {
  if (files.length === 0) return;
  await host.run(writeFilesScript, {
    doing: `writing ${names(files.map(({ path }) => path))}`,
    input: writeFilesInput(files),
    changes: true,
    fix: "See whether the directory and the owner exist and the disk has space.",
  });
}

/** Removes files; what is gone already is no error. */
export async function removeFiles(host: Host, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return;
  paths.forEach(checkPath);
  await host.run(removeFilesScript, {
    doing: `removing ${names(paths)}`,
    input: lines(paths),
    changes: true,
  });
}

/** What {@link writeFilesScript} reads. */
export function writeFilesInput(files: readonly WantedFile[]): Buffer {
  return Buffer.concat(
    files.flatMap(({ path, content, mode, owner, group, makeDirectories }) => {
      checkPath(path);
      assert(/^0?[0-7]{3,4}$/.test(mode), `${path}: mode ${mode} is not octal, like 0640.`);
      for (const name of [owner, group])
        assert(/^[\w.][\w.-]*\$?$/.test(name), `${path}: ${JSON.stringify(name)} can't own a file.`);
      const bytes = Buffer.from(content);
      const head = [mode, owner, group, makeDirectories ? "make" : "keep", bytes.length, path].join(" ");
      return [Buffer.from(`${head}\n`), bytes];
    }),
  );
}

/** Reads what {@link readFilesScript} prints about these paths. */
export function parseFiles(stdout: string, paths: readonly string[]): Map<string, RemoteFile | undefined> {
  const answer = stdout.split("\n")[Symbol.iterator]();
  const next = () => answer.next().value ?? "";
  return new Map(
    paths.map((path) => {
      const line = next();
      if (line === "missing") return [path, undefined];
      const [mode = "", owner, group, uid, gid] = line.split(" ");
      assert(gid, `the answer about ${path} can't be understood: ${JSON.stringify(line)}`);
      const file = {
        content: Buffer.from(next(), "base64").toString("utf8"),
        mode: mode.padStart(4, "0"),
        owner: owner === "UNKNOWN" ? uid! : owner!,
        group: group === "UNKNOWN" ? gid : group!,
      };
      return [path, file];
    }),
  );
}

function checkPath(path: string): void {
  assert(
    /^\/[^\n\0]*[^/\n\0]$/.test(path),
    `${JSON.stringify(path)} is no absolute path of a file on one line.`,
  );
}

function lines(paths: readonly string[]): string {
  return paths.map((path) => `${path}\n`).join("");
}

function names(paths: readonly string[]): string {
  return paths.length <= 3
    ? paths.join(", ")
    : `${paths.slice(0, 2).join(", ")} and ${paths.length - 2} more files`;
}

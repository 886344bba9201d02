import { readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { Refused } from "./refused";

/** What the stack config refers to, but does not hold itself. */
export interface Environment {
  files: Files;
  now: Date;
  /** Socket of the SSH agent (`SSH_AUTH_SOCK`), if one runs. */
  agent?: string;
}

export interface Files {
  /** Absolute path; `~` is the user's home, a relative path starts where Pulumi.yaml is. */
  resolve(file: string): string;
  exists(absolute: string): boolean;
  /** Paths of all files below a directory, relative to it. @throws Error with a `code` of node:fs */
  list(absolute: string): string[];
  /** Permission bits, as in chmod. @throws Error with a `code` of node:fs */
  mode(absolute: string): number;
  /** @throws Error with a `code` of node:fs, such as ENOENT */
  read(absolute: string): string;
}

/** This machine. Program and provider both run in the directory of Pulumi.yaml. */
export function thisMachine(): Environment {
  return {
    files: filesFrom(process.cwd(), homedir(), {
      exists: (file) => statSync(file, { throwIfNoEntry: false }) !== undefined,
      list: (directory) =>
        readdirSync(directory, { recursive: true, withFileTypes: true })
          .filter((entry) => !entry.isDirectory())
          .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
          .sort(),
      mode: (file) => statSync(file).mode & 0o777,
      read: (file) => readFileSync(file, "utf8"),
    }),
    now: new Date(),
    agent: process.env.SSH_AUTH_SOCK || undefined,
  };
}

/** Adds the resolution of paths to any source of files. */
export function filesFrom(root: string, home: string, source: Omit<Files, "resolve">): Files {
  return {
    ...source,
    resolve: (file) =>
      file === "~" || file.startsWith("~/") ? path.join(home, file.slice(1)) : path.resolve(root, file),
  };
}

/** @throws Refused that says what keeps the file from being read */
export function readText(files: Files, file: string): string {
  if (/[\r\n\0]/.test(file) || file.includes("-----BEGIN"))
    throw new Refused("this is the text itself; here goes the path of a file that holds it");
  const absolute = files.resolve(file);
  try {
    return files.read(absolute);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG")
      throw new Refused(`there is no file ${absolute}; relative paths start where Pulumi.yaml is`);
    if (code === "EISDIR") throw new Refused(`${absolute} is a directory; give the file itself`);
    if (code === "EACCES" || code === "EPERM")
      throw new Refused(`${absolute} can't be read by this user; change its owner or mode`);
    throw new Refused(`${absolute} can't be read (${code ?? "unknown error"})`);
  }
}

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { root } from "../config/root";

/**
 * The archive of a package, fetched by npm from the registry that is set up on this machine, or from npm's cache.
 * @param spec name and version
 * @param integrity what its SHA-512 must be, in the form of Subresource Integrity
 * @throws Error when npm can't get it, or gets something else
 */
export async function npmPackage(spec: string, integrity: string): Promise<Buffer> {
  const directory = await mkdtemp(path.join(tmpdir(), "prosody-npm-"));
  try {
    await pack(spec, directory);
    const [file] = await readdir(directory);
    const archive = await readFile(path.join(directory, file!));
    const found = `sha512-${createHash("sha512").update(archive).digest("base64")}`;
    if (found !== integrity)
      throw new Error(
        `The registry's ${spec} is not the pinned one: its hash is ${found}, not ${integrity}. Nothing of it was used; ask another registry (npm config get registry).`,
      );
    return archive;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function pack(spec: string, directory: string): Promise<void> {
  const args = [
    "pack",
    spec,
    "--pack-destination",
    directory,
    "--prefer-offline",
    "--ignore-scripts",
    "--silent",
  ];
  const npm = spawn("npm", args, {
    cwd: root, // whose .npmrc counts
    stdio: ["ignore", "ignore", "pipe"],
    shell: process.platform === "win32",
  });
  let said = "";
  npm.stderr.on("data", (data) => {
    said += data;
  });
  const code = await new Promise<number | string>((resolve) => {
    npm.on("error", (error) => resolve(error.message));
    npm.on("close", (code) => resolve(code ?? "a signal"));
  });
  if (code !== 0)
    throw new Error(
      `npm can't fetch ${spec} (${[code, ...said.trim().split("\n").slice(-3)].join("; ")}). Does this machine reach its registry? \`npm view ${spec}\` shows more.`,
    );
}

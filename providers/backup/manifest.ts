import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";

/** What a backup says of itself; the first file in it, `manifest.json`. */
export interface Manifest {
  /** Of the archive's layout. */
  format: 1;
  /** ISO 8601, UTC. */
  date: string;
  /** Name of the server in the stack config. */
  server: string;
  /** Version of the Prosody that wrote the data: "13.0.1". */
  prosody: string;
  /** Virtual hosts and components → "" or the component's module. */
  hosts: Record<string, string>;
  storage: { files: boolean; databases: { driver: string; database: string }[] };
}

const name = "manifest.json";
const block = 512;

/**
 * The manifest at the beginning of a backup.
 * @param archive decrypted; it is read no further than needed, and destroyed
 * @throws Error when it is no backup, or one that this program is too old for
 */
export async function readManifest(archive: Readable): Promise<Manifest> {
  const text = await firstFile(archive);
  let manifest: Manifest | undefined;
  try {
    manifest = JSON.parse(text ?? "") as Manifest;
  } catch {
    // no JSON
  }
  if (typeof manifest?.format !== "number" || typeof manifest.hosts !== "object")
    throw new Error(
      "this is no backup of prosody-pulumi, or it is damaged. Give a file that npm run backup made",
    );
  if (manifest.format !== 1)
    throw new Error(
      `this backup has format ${manifest.format}, and this program knows 1. Use a newer version of the program`,
    );
  return manifest;
}

/** Content of the first file of a compressed tar archive (POSIX.1-1988 ustar, as GNU tar writes it). */
async function firstFile(archive: Readable): Promise<string | undefined> {
  const plain = archive.pipe(createGunzip());
  archive.on("error", (error) => plain.destroy(error));
  let data = Buffer.alloc(0);
  try {
    for await (const part of plain) {
      data = Buffer.concat([data, part as Buffer]);
      if (data.length < block) continue;
      if (data.toString("latin1", 0, 100).replace(/\0.*$/s, "") !== name) return undefined;
      const size = Number.parseInt(data.toString("latin1", 124, 136), 8);
      if (data.length >= block + size) return data.toString("utf8", block, block + size);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith("Z_")) return undefined; // not compressed by gzip
    throw error;
  } finally {
    archive.destroy();
  }
  return undefined;
}

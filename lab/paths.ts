import { homedir } from "node:os";
import { join, resolve } from "node:path";

export const releases = ["trixie", "bookworm", "fedora"] as const;

/** A release of Debian, trixie (13, Prosody 13) or bookworm (12, Prosody 0.12), or a host of the Fedora family. */
export type Release = (typeof releases)[number];

/**
 * Where everything of this project is kept outside the clone: `~/.cache/prosody-pulumi`. XDG_CACHE_HOME is not asked,
 * since Pulumi.dev.yaml names files in there.
 */
export function cacheDirectory(): string {
  return join(homedir(), ".cache/prosody-pulumi");
}

let chosen: string | undefined;

/**
 * Where the lab keeps its state: `~/.cache/prosody-pulumi/lab`, or what PROSODY_LAB_DIR says. It is the same for as
 * long as this process runs, so that no later change of the environment turns work on one lab to another.
 * @throws Error for a path that can't stand in the options of a mount.
 */
export function labDirectory(): string {
  chosen ??= choose(resolve(process.env.PROSODY_LAB_DIR || join(cacheDirectory(), "lab")));
  return chosen;
}

function choose(directory: string): string {
  if (/[^\w./@+-]/.test(directory))
    throw new Error(
      `The lab's directory ${JSON.stringify(directory)} may contain letters, digits and . _ @ + - only, ` +
        "because it stands in mount options. Set PROSODY_LAB_DIR to another one.",
    );
  return directory;
}

/** The files of the lab, by purpose. */
export const paths = {
  base: (name: string) => join(labDirectory(), "base", name),
  host: (name: string, ...file: string[]) => join(labDirectory(), "hosts", name, ...file),
  guest: (...file: string[]) => join(labDirectory(), "guest", ...file),
  hosts: () => join(labDirectory(), "hosts"),
  hostKey: (name: string) => join(labDirectory(), "host-keys", name),
  clientKey: () => join(labDirectory(), "id_ed25519"),
  knownHosts: () => join(labDirectory(), "known_hosts"),
  authority: (file: string) => join(labDirectory(), "ca", file),
  certificate: (file: string) => join(labDirectory(), "tls", file),
  lock: (name: string) => join(labDirectory(), "locks", name),
};

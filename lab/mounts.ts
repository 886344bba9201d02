import { readFileSync } from "node:fs";
import { run } from "./command";

/** Mounts `upper` over `layers` (topmost first) at `root`. */
export async function mountOverlay(
  layers: string[],
  upper: string,
  work: string,
  root: string,
): Promise<void> {
  const options = `lowerdir=${layers.join(":")},upperdir=${upper},workdir=${work}`;
  const mounted = await run("mount", ["-t", "overlay", "overlay", "-o", options, root], { accept: "any" });
  if (mounted.code !== 0)
    throw new Error(
      `Can't mount an overlay at ${root}: ${mounted.stderr.trim()}\n` +
        "If the file system there is an overlay itself (a container's), set PROSODY_LAB_DIR to a directory on " +
        "ext4, xfs, btrfs or tmpfs.",
    );
}

/** What is mounted at or below `directory`, innermost first. */
export function mountsBelow(
  directory: string,
  mountinfo = readFileSync("/proc/self/mountinfo", "utf8"),
): string[] {
  return mountinfo
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((target) => target === directory || target.startsWith(`${directory}/`))
    .reverse();
}

export async function unmount(directory: string): Promise<void> {
  for (const target of mountsBelow(directory)) {
    const done = await run("umount", [target], { accept: "any" });
    // Something still looks at it (a shell inside): take it out of the tree, it goes when that ends.
    if (done.code !== 0) await run("umount", ["--lazy", target]);
  }
}

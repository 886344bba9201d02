/** The releases of Prosody that the program knows by measurement: Debian 12 brings 0.12, Debian 13 and Fedora 13.0. */
export type Release = "0.12" | "13.0";

export const releases: readonly Release[] = ["0.12", "13.0"];

/**
 * The release that a package's version belongs to, e.g. "13.0" for "13.0.1-1+deb131u".
 * @param version `undefined` where the engine was told to leave the package out that it has not met yet
 * @throws Error for a release that the program does not know, or no version.
 */
export function releaseOf(version: string | undefined): Release {
  if (version === undefined)
    throw new Error(
      "The version of Prosody is not known yet, because --target or --exclude leaves its package out: run pulumi up without it first.",
    );
  const release = releases.find((known) => version === known || version.startsWith(`${known}.`));
  if (release) return release;
  throw new Error(`Prosody ${version} is not supported: install ${releases.join(" or ")}.`);
}

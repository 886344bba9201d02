import type { Packages } from "../facts/packages";
import type { Host } from "../host";
import { apt } from "./apt";

/** What a distribution's package manager does for the handler of packages. What is installed is a fact. */
export interface PackageManager {
  /**
   * Installs packages in one run, never asks anything, never removes others, and keeps edited configuration files.
   * @returns the reason for each package that could not be installed although the others were
   * @throws Error when nothing was installed, with the fix
   */
  install(host: Host, known: Packages, names: readonly string[]): Promise<Map<string, Error>>;

  /**
   * Removes packages, with those of `brought` that nothing else needs any more. Configuration and data stay.
   * A package that something else on the host needs by now stays too.
   * @returns the packages that stay
   */
  remove(host: Host, names: readonly string[], brought: readonly string[]): Promise<string[]>;
}

const managers: Record<string, PackageManager> = { apt };

/** @throws Error when the host has none that this program knows. */
export function packageManager(known: Packages): PackageManager {
  const manager = managers[known.manager];
  if (!manager)
    throw new Error(
      `${known.os || "this system"} has none of the package managers ${Object.keys(managers).join(", ")}. ` +
        "Choose a host with Debian or one of its relatives.",
    );
  return manager;
}

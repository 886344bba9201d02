import type { Family } from "../../config/family";
import type { OsRelease } from "../facts/os-release";
import type { Host } from "../host";
import { apt } from "./apt";
import { dnf } from "./dnf";

/** What a distribution's package manager does for the handler of packages. What is installed is a fact. */
export interface PackageManager {
  /**
   * Installs packages in one run, never asks anything, never removes others, and keeps edited configuration files.
   * @returns the reason for each package that could not be installed although the others were
   * @throws Error when nothing was installed, with the fix
   */
  install(host: Host, os: OsRelease, names: readonly string[]): Promise<Map<string, Error>>;

  /**
   * Removes packages, with those of `brought` that nothing else needs any more. Configuration and data stay.
   * A package that something else on the host needs by now stays too.
   * @returns the packages that stay
   */
  remove(host: Host, names: readonly string[], brought: readonly string[]): Promise<string[]>;
}

export const packageManagers: Record<Family, PackageManager> = { debian: apt, fedora: dnf };

import type { Common } from "./handler";

/** A package of the distribution. */
export interface PackageInputs extends Common {
  /** Name as the host's package manager knows it. */
  package: string;
  installed: boolean;
  /**
   * The installed version, e.g. "13.0.1-1"; carried forward from the state, so that a preview knows it even when
   * the package was removed by hand. Never set by the program.
   */
  version?: string;
}

export interface PackageState extends PackageInputs {
  version: string;
  /** It was there before the stack, so a destroy leaves it. */
  adopted: boolean;
  /** Packages that came with it, which a destroy removes where nothing else needs them. */
  brought: string[];
}

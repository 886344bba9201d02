import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** A package of the distribution. */
export interface PackageInputs extends Common {
  /** Name as the host's package manager knows it. */
  package: string;
  /** Always true. Read as false when somebody removed the package. */
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

/** Keeps a package installed. A destroy leaves its data, its configuration, and what was there before the stack. */
export class Package extends ProsodyResource<PackageInputs> {
  /** Known in every preview but the first. */
  declare readonly version: pulumi.Output<string>;
  declare readonly adopted: pulumi.Output<boolean>;
  declare readonly brought: pulumi.Output<string[]>;

  constructor(
    name: string,
    args: Pick<InputsOf<PackageInputs>, "server" | "package">,
    options?: pulumi.CustomResourceOptions,
  ) {
    super("Package", name, { ...args, installed: true }, ["version", "adopted", "brought"], [], options);
  }
}

import type * as pulumi from "@pulumi/pulumi";
import type { Family } from "../config/family";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** A package of the distribution. */
export interface PackageInputs extends Common {
  /**
   * Name on Debian; `packageName` of config/family.ts knows what others call it. Where a family has no such package,
   * it is not needed either.
   */
  package: string;
  /** Needed only on a host with SELinux on, be it enforcing or permissive; elsewhere it may be missing. */
  when?: "selinux";
  /** Always true. Read as false when somebody removed the package. */
  installed: boolean;
  /**
   * The installed version, e.g. "13.0.1-1"; carried forward from the state, so that a preview knows it even when
   * the package was removed by hand. Never set by the program.
   */
  version?: string;
  /** The host's family, carried forward like the version. */
  family?: Family;
}

export interface PackageState extends PackageInputs {
  /** Empty where it is not needed and not there. */
  version: string;
  family: Family;
  /**
   * False where `when` does not hold or the family has no such package, so that it makes no difference whether it is
   * there.
   */
  needed?: boolean;
  /** It was there before the stack, so a destroy leaves it. */
  adopted: boolean;
  /** Packages that came with it, which a destroy removes where nothing else needs them. */
  brought: string[];
}

/** Keeps a package installed. A destroy leaves its data, its configuration, and what was there before the stack. */
export class Package extends ProsodyResource<PackageInputs> {
  /** Known in every preview but the first. */
  declare readonly version: pulumi.Output<string>;
  /** Known when {@link version} is. */
  declare readonly family: pulumi.Output<Family>;
  declare readonly adopted: pulumi.Output<boolean>;
  declare readonly brought: pulumi.Output<string[]>;

  constructor(
    name: string,
    args: Pick<InputsOf<PackageInputs>, "server" | "package" | "when">,
    options?: pulumi.CustomResourceOptions,
  ) {
    super(
      "Package",
      name,
      { ...args, installed: true },
      ["version", "family", "adopted", "brought"],
      [],
      options,
    );
  }
}

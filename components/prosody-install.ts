import type * as pulumi from "@pulumi/pulumi";
import type { Family } from "../config/family";
import { Package } from "../providers/package";
import { perServer } from "./names";
import { Part } from "./part";

export interface ProsodyInstallArgs {
  /** Name of the server in the stack config. */
  readonly server: string;
  /** Packages beside Prosody itself. */
  readonly packages: readonly string[];
}

/** Prosody and the packages that a complete server needs, from the distribution. */
export class ProsodyInstall extends Part {
  /** Version of the installed Prosody, as the package manager says it: `13.0.1-1`. */
  readonly version: pulumi.Output<string>;
  /** Family of the host's distribution. */
  readonly family: pulumi.Output<Family>;

  constructor(name: string, args: ProsodyInstallArgs, options?: pulumi.ComponentResourceOptions) {
    super("prosody:index:ProsodyInstall", name, options);
    const { server } = args;
    const install = (pkg: string) =>
      new Package(perServer(server, pkg), { server, package: pkg }, this.child);
    const prosody = install("prosody");
    this.version = prosody.version;
    this.family = prosody.family;
    args.packages.forEach(install);
    this.registerOutputs({ version: this.version, family: this.family });
  }
}

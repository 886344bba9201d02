import * as pulumi from "@pulumi/pulumi";
import { communityModules } from "../config/community";
import { releaseOf } from "../config/features";
import type { Server } from "../config/settings";
import { CommunityModules } from "../providers/community-modules";
import { perServer } from "./names";
import { Part } from "./part";

export interface ProsodyModulesArgs {
  readonly server: Server;
  /** Version of the Prosody that is to load them. */
  readonly version: pulumi.Input<string>;
}

/** The modules that the configuration enables and Prosody itself lacks. */
export class ProsodyModules extends Part {
  constructor(name: string, args: ProsodyModulesArgs, options?: pulumi.ComponentResourceOptions) {
    super("prosody:index:ProsodyModules", name, options);
    const wanted = pulumi
      .output(args.version)
      .apply((version) => communityModules(args.server, releaseOf(version)));
    const { source, revision, path, files, modules } = wanted;
    new CommunityModules(
      perServer(args.server.name, "modules"),
      { server: args.server.name, source, revision, path, files, modules },
      this.child,
    );
    this.registerOutputs();
  }
}

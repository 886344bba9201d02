import * as pulumi from "@pulumi/pulumi";
import { communityModules } from "../config/community";
import { ownModules } from "../config/own-modules";
import { releaseOf } from "../config/release";
import type { Server } from "../config/settings";
import { webClientFiles } from "../config/web-client";
import { CommunityModules } from "../providers/community-modules";
import { WebClient } from "../providers/web-client";
import { perServer } from "./names";
import { Part } from "./part";

interface ProsodyModulesArgs {
  readonly server: Server;
  /** Version of the Prosody that is to load them. */
  readonly version: pulumi.Input<string>;
}

/** The modules that the configuration enables and Prosody itself lacks, and the files that they serve. */
export class ProsodyModules extends Part {
  constructor(name: string, args: ProsodyModulesArgs, options?: pulumi.ComponentResourceOptions) {
    super("prosody:index:ProsodyModules", name, options);
    const wanted = pulumi
      .output(args.version)
      .apply((version) => communityModules(args.server, releaseOf(version)));
    const { source, revision, path, files, modules } = wanted;
    const { name: server } = args.server;
    new CommunityModules(
      perServer(server, "modules"),
      { server, source, revision, path, files, modules },
      this.child,
    );
    const own = ownModules(args.server);
    if (own.modules.length > 0)
      new CommunityModules(
        perServer(server, "own-modules"),
        { server, source: "directory", revision: "", ...own },
        { ...this.child, aliases: [{ name: perServer(server, "pages") }] },
      );
    if (own.modules.includes("web_client"))
      new WebClient(perServer(server, "web-client"), { server, ...webClientFiles }, this.child);
    this.registerOutputs();
  }
}

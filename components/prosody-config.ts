import * as pulumi from "@pulumi/pulumi";
import { releaseOf } from "../config/features";
import type { Server } from "../config/settings";
import { Configuration } from "../providers/configuration";
import { Service } from "../providers/service";
import { renderConfiguration } from "../templates/render";
import { perServer } from "./names";

export interface ProsodyConfigArgs {
  readonly server: Server;
  /** Version of the Prosody that is to read the configuration. */
  readonly version: pulumi.Input<string>;
}

/** Prosody's configuration for the installed version, and the service that runs it. */
export class ProsodyConfig extends pulumi.ComponentResource {
  constructor(name: string, args: ProsodyConfigArgs, options?: pulumi.ComponentResourceOptions) {
    super("prosody:index:ProsodyConfig", name, {}, options);
    const server = args.server.name;
    const rendered = pulumi.output(args.version).apply((version) => {
      const configuration = renderConfiguration(args.server, releaseOf(version));
      for (const warning of configuration.warnings) pulumi.log.warn(warning, this);
      return { files: configuration.files, secrets: pulumi.secret(configuration.secrets) };
    });
    const configuration = new Configuration(
      perServer(server, "prosody"),
      { server, files: rendered.files, secrets: rendered.secrets, live: true },
      { parent: this },
    );
    new Service(
      perServer(server, "prosody"),
      { server, unit: "prosody.service", enabled: true, active: true },
      { parent: this, dependsOn: configuration },
    );
    this.registerOutputs();
  }
}

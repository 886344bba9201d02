import * as pulumi from "@pulumi/pulumi";
import type { Family } from "../config/family";
import { releaseOf } from "../config/release";
import { Secret } from "../config/secret";
import type { Server } from "../config/settings";
import { Configuration } from "../providers/configuration";
import { Service } from "../providers/service";
import { renderConfiguration } from "../templates/render";
import { perServer } from "./names";
import { Part } from "./part";

interface ProsodyConfigArgs {
  readonly server: Server;
  /** Version of the Prosody that is to read the configuration. */
  readonly version: pulumi.Input<string>;
  /** Family of the host's distribution. */
  readonly family: pulumi.Input<Family>;
  /** Shared with the TURN server; not needed where there is none. */
  readonly turnSecret?: pulumi.Input<string>;
}

/** Prosody's configuration for the installed version, and the service that runs it. */
export class ProsodyConfig extends Part {
  /** Of a server that runs, it is live from here on. */
  readonly configuration: Configuration;
  /** Runs with the configuration; whoever needs both waits for it alone. */
  readonly service: Service;

  constructor(name: string, args: ProsodyConfigArgs, options?: pulumi.ComponentResourceOptions) {
    super("prosody:index:ProsodyConfig", name, options);
    const server = args.server.name;
    const installed = pulumi.all([args.version, args.family]);
    const files = installed.apply(([version, family]) => {
      const configuration = renderConfiguration(args.server, releaseOf(version), family);
      for (const warning of configuration.warnings) pulumi.log.warn(warning, this);
      if (configuration.notes.length > 0)
        pulumi.log.info(`What became of modules:\n${configuration.notes.join("\n")}`, this);
      return configuration.files;
    });
    // Apart from the files: whatever comes from a secret is one, and previews are to show the files' diff.
    const secrets = pulumi
      .all([installed, args.turnSecret])
      .apply(([[version, family], secret]) =>
        renderConfiguration(
          args.server,
          releaseOf(version),
          family,
          secret === undefined ? secret : new Secret(secret),
        ),
      )
      .apply((configuration) => configuration.secrets);
    this.configuration = new Configuration(
      perServer(server, "prosody"),
      { server, files, secrets: pulumi.secret(secrets), live: true },
      this.child,
    );
    this.service = new Service(
      perServer(server, "prosody"),
      { server, unit: "prosody.service", enabled: true, active: true },
      { ...this.child, dependsOn: this.configuration },
    );
    this.registerOutputs();
  }
}

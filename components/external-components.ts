import * as pulumi from "@pulumi/pulumi";
import type { ExternalComponent as Settings } from "../config/settings";
import { ExternalComponent } from "../providers/external-component";
import { renderComponent } from "../templates/render";
import { Part } from "./part";

interface ExternalComponentsArgs {
  /** Name of the server in the stack config. */
  readonly server: string;
  readonly components: readonly Settings[];
}

/** One resource per name that a program from outside serves. */
export class ExternalComponents extends Part {
  constructor(name: string, args: ExternalComponentsArgs, options?: pulumi.ComponentResourceOptions) {
    super("prosody:index:ExternalComponents", name, options);
    for (const settings of args.components) {
      const { path, file } = renderComponent(settings);
      new ExternalComponent(
        settings.name,
        {
          server: args.server,
          component: settings.name,
          path,
          content: pulumi.secret(file.content),
          mode: file.mode,
          owner: `${file.owner}:${file.group}`,
        },
        this.child,
      );
    }
    this.registerOutputs();
  }
}

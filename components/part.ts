import * as pulumi from "@pulumi/pulumi";

/**
 * A part of a server. What it depends on is what its children wait for, not the component itself: one that waits for
 * something that fails is skipped, and the engine (3.250) then ends the whole run, that of all other servers
 * included, because a skipped component still says when it is complete.
 */
export abstract class Part extends pulumi.ComponentResource {
  /** Options of every child. */
  protected readonly child: pulumi.CustomResourceOptions;

  constructor(type: string, name: string, options: pulumi.ComponentResourceOptions = {}) {
    const { dependsOn, ...own } = options;
    super(type, name, {}, own);
    this.child = { parent: this, dependsOn };
  }
}

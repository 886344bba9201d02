import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** The way to a server's host. */
export interface ConnectionInputs extends Common {
  /** Always true. Read as false when the host can't be reached and the stack has other servers to go on with. */
  reachable: boolean;
}

export type ConnectionState = ConnectionInputs;

/**
 * Stands for a host that can be reached and worked on as root. Everything of the server depends on it, so that a
 * host that is down is one difference in a preview and one error of an up, and keeps no other server waiting.
 */
export class Connection extends ProsodyResource<ConnectionInputs> {
  constructor(
    name: string,
    args: Pick<InputsOf<ConnectionInputs>, "server">,
    options?: pulumi.CustomResourceOptions,
  ) {
    super("Connection", name, { ...args, reachable: true }, [], [], options);
  }
}

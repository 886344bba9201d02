import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** The way to a server's host, and whose host it is. */
export interface ConnectionInputs extends Common {
  /** Always true. Read as false when the host can't be reached and the stack has other servers to go on with. */
  reachable: boolean;
  /** Of the host, with its port where that is not SSH's own: another one may be another machine. */
  address: string;
  /** `ORGANIZATION/PROJECT/STACK`, noted on the host, so that no other stack works on it. */
  stack: string;
  /** Always true. Read as false when the host has no such note. */
  kept: boolean;
}

/** Versions that knew nothing of whose host it is have set `reachable` alone. */
export type ConnectionState = Common & Partial<ConnectionInputs>;

/**
 * Stands for a host that can be reached and worked on as root. Everything of the server depends on it, so that a
 * host that is down, or another stack's, is one difference in a preview and one error of an up, and keeps no other
 * server waiting.
 */
export class Connection extends ProsodyResource<ConnectionInputs> {
  constructor(
    name: string,
    args: Omit<InputsOf<ConnectionInputs>, "reachable" | "kept">,
    options?: pulumi.CustomResourceOptions,
  ) {
    super("Connection", name, { ...args, reachable: true, kept: true }, [], [], options);
  }
}

import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** The secret from which TURN credentials are made. Nothing in it can be chosen. */
export type TurnSecretInputs = Common;

export interface TurnSecretState extends TurnSecretInputs {
  /** Shared by Prosody, which makes credentials from it, and coturn, which checks them. */
  secret: string;
}

/**
 * A secret made once and kept in the state, encrypted. It is a resource of its own, so that it is known in previews
 * that change the files with it.
 */
export class TurnSecret extends ProsodyResource<TurnSecretInputs> {
  declare readonly secret: pulumi.Output<string>;

  constructor(name: string, args: InputsOf<TurnSecretInputs>, options?: pulumi.CustomResourceOptions) {
    super("TurnSecret", name, args, ["secret"], ["secret"], options);
  }
}

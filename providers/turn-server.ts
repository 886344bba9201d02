import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** coturn's configuration, and the certificate that it serves. */
export interface TurnServerInputs extends Common {
  /** Text of the configuration without the secret and without what only the host knows; previews show its diff. */
  config: string;
  /** Shared with Prosody. Read as "" when the configuration on the host has none. */
  secret: string;
  /** Virtual host whose certificate is served over TLS, as it is in Prosody's certificate directory; "" for none. */
  domain: string;
  /** SHA-256 of the chain that is served, hexadecimal; "" for none. Read as "differs" where coturn can't serve it: the key is another's, or neither may be read. */
  certificate: string;
  /** Ports of coturn, to see that it serves them after a change. */
  ports: number[];
  /** Always true: coturn runs what the files say. Read as false when a change was cut off half-way. */
  live: boolean;
}

export interface TurnServerState extends TurnServerInputs {
  /** Addresses of the host itself. */
  addresses: string[];
}

/** coturn as the stack config wants it. A destroy brings the configuration back that was there before. */
export class TurnServer extends ProsodyResource<TurnServerInputs> {
  declare readonly addresses: pulumi.Output<string[]>;

  constructor(
    name: string,
    args: Omit<InputsOf<TurnServerInputs>, "live">,
    options?: pulumi.CustomResourceOptions,
  ) {
    super("TurnServer", name, { ...args, live: true }, ["addresses"], ["secret"], options);
  }
}

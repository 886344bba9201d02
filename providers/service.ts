import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** A systemd unit. */
export interface ServiceInputs extends Common {
  /** Its name, e.g. "prosody"; other than services with their suffix: "prosody.socket". */
  unit: string;
  /** Started at boot. Read as false when it is masked. */
  enabled: boolean;
  /** Runs now. */
  active: boolean;
}

export interface ServiceState extends ServiceInputs {
  /** How the stack found it; a destroy stops or disables it only if it was so. */
  before: { enabled: boolean; active: boolean };
}

/** Keeps a systemd unit enabled and running, or disabled and stopped. */
export class Service extends ProsodyResource<ServiceInputs> {
  declare readonly before: pulumi.Output<ServiceState["before"]>;

  constructor(name: string, args: InputsOf<ServiceInputs>, options?: pulumi.CustomResourceOptions) {
    super("Service", name, args, ["before"], [], options);
  }
}

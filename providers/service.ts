import type { Common } from "./handler";

/** A systemd unit. */
export interface ServiceInputs extends Common {
  unit: string;
  enabled: boolean;
  active: boolean;
}

export type ServiceState = ServiceInputs;

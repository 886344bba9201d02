import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** Ports that the host's firewalld lets in, or forwards to other ports of the host. */
export interface FirewallPortsInputs extends Common {
  /**
   * Always "open". Each is written as firewalld does, "5269/tcp" or "49152-65535/udp", or as "443/tcp to 5281", which
   * leads what arrives at the first to that port of the host.
   */
  ports: Record<string, "open">;
  /** firewalld's zone; without it, the one of the interface by which SSH reaches the host. */
  zone?: string;
  /** A host without firewalld is an error; otherwise nothing is opened there. */
  required: boolean;
}

/** How a port is: firewalld keeps what is in force now apart from what will be after its next start. */
export type Openness =
  | "open"
  | "closed"
  | "open until firewalld restarts"
  | "closed until firewalld restarts";

export interface FirewallPortsState extends Omit<FirewallPortsInputs, "ports"> {
  /** Open where nothing enforces anything else. */
  ports: Record<string, Openness>;
  /** What keeps the ports: `stopped` when firewalld does not run, `none` when the host does not have it. */
  enforced: "firewalld" | "stopped" | "none";
  /** The zone that this is about; empty without firewalld. */
  effectiveZone: string;
  /**
   * The zone by which the host reaches the Internet, and its interface, such as "public (eth0)": where nobody chose a
   * zone, and that one does not let in all of the ports. Otherwise empty, not missing: to a preview, an output that is
   * not in the state is one that nobody knows yet.
   */
  shut: string;
  /** What the stack opened, and so will close. What was open before it stays. */
  opened?: Opened;
}

/** Ports of a zone in each of firewalld's layers: for now, and for after its next start. */
export interface Opened {
  zone: string;
  permanent: string[];
  runtime: string[];
}

/** Keeps ports open in firewalld, now and after a restart, and touches no other rule. */
export class FirewallPorts extends ProsodyResource<FirewallPortsInputs> {
  declare readonly enforced: pulumi.Output<FirewallPortsState["enforced"]>;
  declare readonly effectiveZone: pulumi.Output<string>;
  declare readonly shut: pulumi.Output<string>;

  constructor(name: string, args: InputsOf<FirewallPortsInputs>, options?: pulumi.CustomResourceOptions) {
    super("FirewallPorts", name, args, ["enforced", "effectiveZone", "shut", "opened"], [], options);
  }
}

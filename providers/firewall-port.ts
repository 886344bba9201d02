import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** A port that the host's firewalld lets in, or forwards to another port of the host. */
export interface FirewallPortInputs extends Common {
  /** As firewalld writes it: "5269/tcp", "49152-65535/udp". */
  port: string;
  /** TCP port of the host that gets what arrives at `port`; without it, `port` is let in itself. */
  forwardTo?: number;
  /** firewalld's zone; without it, the one of the interface by which SSH reaches the host. */
  zone?: string;
  /** A host without firewalld is an error; otherwise nothing is opened there. */
  required: boolean;
  /** Always true: after the next start of firewalld, too. */
  permanent: boolean;
  /** Always true: now. */
  runtime: boolean;
}

export interface FirewallPortState extends Omit<FirewallPortInputs, "permanent" | "runtime"> {
  /** What keeps the port: `stopped` when firewalld does not run, `none` when the host does not have it. */
  enforced: "firewalld" | "stopped" | "none";
  /** Whether it is open; not there where nothing enforces it. */
  permanent?: boolean;
  runtime?: boolean;
  /** The zone that this is about; empty without firewalld. */
  effectiveZone: string;
  /** What the stack opened, and so will close. What was open before it stays. */
  opened?: { zone: string; permanent: boolean; runtime: boolean };
}

/** Keeps a port open in firewalld, now and after a restart, and touches no other rule. */
export class FirewallPort extends ProsodyResource<FirewallPortInputs> {
  declare readonly enforced: pulumi.Output<FirewallPortState["enforced"]>;
  declare readonly effectiveZone: pulumi.Output<string>;

  constructor(
    name: string,
    args: Omit<InputsOf<FirewallPortInputs>, "permanent" | "runtime">,
    options?: pulumi.CustomResourceOptions,
  ) {
    const outputs = ["enforced", "effectiveZone", "opened"];
    super("FirewallPort", name, { ...args, permanent: true, runtime: true }, outputs, [], options);
  }
}

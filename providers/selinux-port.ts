import type * as pulumi from "@pulumi/pulumi";
import type { SelinuxMode } from "./facts/selinux";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** A port that SELinux lets Prosody bind, on whatever interface. */
export interface SelinuxPortInputs extends Common {
  /** As in "5347/tcp". */
  port: string;
  /** The policy store is kept even where SELinux is off, and its absence is an error. */
  required: boolean;
  /** Always true: the port has a label that Prosody may bind. */
  allowed: boolean;
}

export interface SelinuxPortState extends Omit<SelinuxPortInputs, "allowed"> {
  /** How the host's kernel takes the policy. */
  mode: SelinuxMode;
  /** Not there where SELinux is off and not required. */
  allowed?: boolean;
  /** The label that the port has. */
  label?: string;
  /**
   * What the stack gave the port, and the label that somebody had given it on this host before. `false` for nothing: a
   * property that is not there is unknown in previews, and with it what the stack says of the labels.
   */
  given: { label: string; before?: string } | false;
}

/** Keeps a label on a port that lets Prosody bind it. Where the policy's own label does, it stays. */
export class SelinuxPort extends ProsodyResource<SelinuxPortInputs> {
  declare readonly mode: pulumi.Output<SelinuxMode>;
  declare readonly label: pulumi.Output<string | undefined>;
  declare readonly given: pulumi.Output<SelinuxPortState["given"]>;

  constructor(
    name: string,
    args: Omit<InputsOf<SelinuxPortInputs>, "allowed">,
    options?: pulumi.CustomResourceOptions,
  ) {
    super("SelinuxPort", name, { ...args, allowed: true }, ["mode", "label", "given"], [], options);
  }
}

import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** A name that a program from outside serves (XEP-0114): a file of Prosody's configuration with its secret. */
export interface ExternalComponentInputs extends Common {
  /** A-labels: `irc.example.com`. */
  component: string;
  /** Absolute, below /etc/prosody. The main file includes it by its name. */
  path: string;
  /** The file's text; secret. */
  content: string;
  /** "0640". */
  mode: string;
  /** "root:prosody". */
  owner: string;
  /**
   * Always true: the running server knows the component by this secret. Read as false when it does not, although
   * the main file includes this one.
   */
  live: boolean;
}

/**
 * Keeps the file of an external component, and has the running server take over what changes in it; all other
 * components and clients stay connected. Whether there is such a component at all is what the main file says, so
 * that {@link Configuration} brings a new one up and takes an old one down, between the making and the deletion of
 * this resource.
 */
export class ExternalComponent extends ProsodyResource<ExternalComponentInputs> {
  constructor(
    name: string,
    args: Omit<InputsOf<ExternalComponentInputs>, "live">,
    options?: pulumi.CustomResourceOptions,
  ) {
    super("ExternalComponent", name, { ...args, live: true }, [], ["content"], options);
  }
}

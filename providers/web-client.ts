import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** The files of the web client: a package of the npm registry, or parts of it, in a directory of their own. */
export interface WebClientInputs extends Common {
  /** Name and version, as in `converse.js@14.0.0`. */
  package: string;
  /** SHA-512 of the package's archive, in the form of Subresource Integrity. */
  integrity: string;
  /** Files and directories of the archive that are wanted. */
  parts: string[];
  /** Patterns of files among them that are not, as tar takes them. */
  without: string[];
  /** Directory on the host. */
  path: string;
  /** Always empty: what differs in the directory, a sentence each. */
  differing: string[];
}

export interface WebClientState extends WebClientInputs {
  /** File below `path` → SHA-256 of what was put there. */
  written: Record<string, string>;
}

/**
 * Keeps the web client's files on the host. They are in no input: what they are follows from the archive's hash. The
 * provider process fetches the archive when the directory is made or repaired, and hands it on over SSH.
 */
export class WebClient extends ProsodyResource<WebClientInputs> {
  constructor(
    name: string,
    args: Omit<InputsOf<WebClientInputs>, "differing">,
    options?: pulumi.CustomResourceOptions,
  ) {
    super("WebClient", name, { ...args, differing: [] }, ["written"], [], {
      deleteBeforeReplace: false, // what depends on it changes over in between
      ...options,
    });
  }
}

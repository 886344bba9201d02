import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** One file on the host. */
export interface ConfigFile {
  content: string;
  /** Octal, e.g. "0640". */
  mode: string;
  owner: string;
  group: string;
}

/** Prosody's configuration files, brought to the host together or not at all. */
export interface ConfigurationInputs extends Common {
  /** Absolute path → file. Nothing secret in here: previews show it as a text diff. */
  files: Record<string, ConfigFile>;
  /** Absolute path → file with secrets in it; the whole property is a secret. */
  secrets: Record<string, ConfigFile>;
  /** Always true: the running server runs these files. Read as false when a change was cut off half-way. */
  live: boolean;
}

export interface ConfigurationState extends ConfigurationInputs {
  /** What Prosody's own check remarked on the files when they were brought to the host. */
  warnings: string[];
}

/**
 * Prosody's configuration on one host: checked there before anything is changed, made live by the gentlest step
 * that is enough, and taken back when the server can't run it.
 */
export class Configuration extends ProsodyResource<ConfigurationInputs> {
  declare readonly warnings: pulumi.Output<string[]>;

  constructor(name: string, inputs: InputsOf<ConfigurationInputs>, options?: pulumi.CustomResourceOptions) {
    super("Configuration", name, inputs, ["warnings"], ["secrets"], options);
  }
}

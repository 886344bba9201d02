import type { Common } from "./handler";

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

export type ConfigurationState = ConfigurationInputs;

/** What a configuration file says, as Prosody reads it on the host; `providers/lua/inspect.lua` prints it. */
export interface Model {
  /** Version of the installed Prosody. */
  version: string;
  /** Enabled virtual hosts and components → what runs on them. */
  hosts: Record<string, ModelHost>;
  /** Host ("*": global) → option → digest of its value; "?" for one that only the service is given. */
  options: Record<string, Record<string, string>>;
  /** Module → names of the options in its code, of those modules that the configuration needs. */
  reads: Record<string, string[]>;
  /** Before a change: options that no source on the host has as a word, and the names that sources read. */
  unread?: { unknown: string[]; known: string[] };
  ports: WantedPort[];
  /** Files that the log goes to. */
  logs: string[];
  /** Directory of Prosody's data, the built-in one where no option names it. */
  data: string;
  /** Each a sentence: why a server with this configuration would not do what it says. */
  problems: string[];
  warnings: string[];
}

interface ModelHost {
  component: string | false;
  modules: string[];
  /** Of a virtual host: how it checks passwords. */
  authentication?: string;
  /** Where the option `password_hash` is set. */
  passwordHash?: string;
}

export interface WantedPort {
  /** Prosody's name of it: c2s, c2s_direct_tls, s2s, http, … */
  service: string;
  /** Address, "*" for all of IPv4, "::" for all of IPv6. */
  interface: string;
  port: number;
}

/** What the host says about the staged files before Prosody's own reading of them. */
export interface HostFacts {
  /** Exit code and text of `prosodyctl check config`. */
  code: number;
  text: string;
  /** Output of {@link listeningSockets} in `providers/facts/sockets.ts`. */
  listening: string;
  /** Main process of the service, 0 when it is stopped. */
  pid: number;
}

/** What the running server runs; `providers/lua/running.lua` prints it. */
export interface Running {
  version: string;
  pid: number;
  /**
   * Host ("*": global) → option → digests of every value that a part of the server may have been set up with,
   * "" for unset. More than one: an activation did not come to its end.
   */
  options: Record<string, Record<string, string[]>>;
  /** Active hosts, and "*" for modules that all hosts share. */
  hosts: Record<string, RunningHost>;
  /** Ports as the loaded configuration asks for them, and as they are open. */
  services: Record<string, { wanted: RunningPort[]; active: RunningPort[] }>;
  /** A virtual host at which the server fails when clients connect, as was tried after a change. */
  lockedOut?: { host: string; reason: string };
}

interface RunningHost {
  type: "global" | "local" | "component";
  modules: Record<string, { needs: string[]; failed?: string }>;
  /** Modules that a configuration which the server had loaded enables here. */
  enabled: string[];
  /** What knows a virtual host's accounts; Prosody's stand-in "null" where the authentication did not load. */
  users?: string;
}

export interface RunningPort {
  interface: string;
  port: number;
  /** Prosody's default, not chosen by anybody: a host without IPv6 does without. */
  optional?: boolean;
}

/** A model that also knows what the modules of another one read, and where that one logs: it is to be left. */
export function knowing(model: Model, other: Model | undefined): Model {
  return {
    ...model,
    reads: { ...other?.reads, ...model.reads },
    logs: [...new Set([...model.logs, ...(other?.logs ?? [])])],
  };
}

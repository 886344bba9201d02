import type { Secret } from "./secret";

/** What the stack config says, validated, normalised and with every default filled in. */
export interface Settings {
  servers: Server[];
  /** What works, but hardly as it was meant: sentences for `pulumi.log.warn`. */
  warnings: string[];
}

/** Name of the server where the stack config has one host and no `servers`. */
export const defaultServer = "prosody";

/** One Prosody server on one host. */
export interface Server {
  /** Key in `servers`, or {@link defaultServer}: resource names and state know the server by it. */
  name: string;
  host: HostSettings;
  /** Virtual hosts, in the order of the stack config. Names are lower case (IDNA A-labels). */
  domains: Domain[];
  jids: Account[];
  /** Bare JIDs of the server's administrators. */
  admins: string[];
  ports: Ports;
  conference: { enabled: boolean; subdomain: string; creators: "everyone" | "admins" | "local" };
  upload: {
    enabled: boolean;
    subdomain: string;
    maxBytes: number;
    dailyQuotaBytes: number;
    expiresAfterDays: number;
  };
  proxy65: { enabled: boolean; subdomain: string };
  /** The default list, unless the user replaces it; names as Prosody or the old role know them. */
  modules: string[];
  extraModules: string[];
  /** Modules taken out of the default list. */
  disabledModules: string[];
  logging: { file: LogLevel; syslog: LogLevel };
  /** Addresses (mailto:, xmpp:, https:) for XEP-0157; `abuse` defaults to the administrators. */
  contacts: { abuse: string[]; admin: string[]; support: string[]; security: string[] };
  /** Minimum TLS version. */
  tls: { minimum: "1.2" | "1.3" };
  /** Any other global option of Prosody, by name. */
  options: Record<string, LuaValue>;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | false;

/** A value that a Prosody option may have. Arrays become Lua lists, objects Lua tables. */
export type LuaValue = string | number | boolean | Secret | LuaValue[] | { [key: string]: LuaValue };

/** TCP ports; `false` switches a port off everywhere. */
export interface Ports {
  clientStarttls: number | false;
  clientDirectTls: number | false;
  server: number | false;
  serverDirectTls: number | false;
  https: number | false;
  proxy65: number | false;
  /** Loopback only: external components (XEP-0114). */
  components: number | false;
}

export interface Domain {
  name: string;
  certificate: CertificateSettings;
}

/** PEM texts: the leaf, its key, and the intermediates in order, the one nearest the root last. */
export interface CertificateSettings {
  certificate: string;
  key: Secret;
  intermediates: string[];
}

export interface Account {
  /** Bare JID, normalised (RFC 7622). */
  jid: string;
  /** `undefined`: the account must not exist. */
  password: Secret | undefined;
  /** `initial`: set when the account is made; `enforced`: a different password on the host is drift. */
  policy: "initial" | "enforced";
}

/** How to reach a host over SSH. */
export interface HostSettings {
  address: string;
  port: number;
  user: string;
  /** Exactly one way to know the host: a pinned key, a known_hosts file, or explicit first-use trust. */
  trust:
    | { kind: "pinned"; hostKeys: string[] }
    | { kind: "knownHosts"; file: string }
    | { kind: "firstUse"; file: string };
  /** Ways to log in, in this order. */
  login: { privateKey?: Secret; privateKeyFile?: string; passphrase?: Secret; agent?: string };
  sudo: false | { password?: Secret };
  jump?: Omit<HostSettings, "sudo" | "jump">;
  /** Seconds until a connection attempt is given up. */
  connectTimeout: number;
}

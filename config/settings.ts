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
  /** External components (XEP-0114), in the order of the stack config. */
  components: ExternalComponent[];
  /** Addresses at which they connect; empty: the loopback interface. */
  componentInterfaces: string[];
  /** Where modules come from that Prosody itself lacks. */
  modulesOrigin: ModulesOrigin;
  turn: TurnSettings;
  metrics: MetricsSettings;
  /** Converse.js, served to the accounts of each virtual host. */
  webClient: boolean;
  /** The default list, unless the user replaces it; names as Prosody or the old role know them. */
  modules: string[];
  extraModules: string[];
  /** Modules taken out of the default list. */
  disabledModules: string[];
  logging: { file: LogLevel; syslog: LogLevel };
  storage: Storage;
  /** Addresses (mailto:, xmpp:, https:) for XEP-0157; `abuse` defaults to the administrators. */
  contacts: { abuse: string[]; admin: string[]; support: string[]; security: string[] };
  /** Minimum TLS version. */
  tls: { minimum: "1.2" | "1.3" };
  dns: DnsSettings;
  /** `zone`: firewalld's; `undefined` for the one that SSH reaches. `https443`: port 443 leads to `ports.https`. */
  firewall: { mode: Mode; zone?: string; https443: boolean };
  /** Port labels. */
  selinux: Mode;
  /** Commands of the user's own; each list in its order. */
  hooks: { before: Hook[]; after: Hook[] };
  /** Any other global option of Prosody, by name. */
  options: Record<string, LuaValue>;
}

/** `auto`: where the host has it. `require`: an error where it does not. */
export type Mode = "auto" | "require" | "off";

/** Where accounts, messages and rooms are kept. Uploaded files are files in any case. */
export type Storage =
  | { kind: "internal" }
  | { kind: "sqlite" }
  | {
      kind: "postgresql";
      /** Address of the database server; `undefined`: one on the same host, which the program installs. */
      host?: string;
      port: number;
      database: string;
      user: string;
      password: Secret;
      /** What the server must prove: a certificate for its name by this authority, or by a public one. */
      tls: false | { authority?: string };
    };

export type LogLevel = "debug" | "info" | "warn" | "error" | false;

/** A command of the user's own, before or after the deployment of a server. */
export interface Hook {
  /** Unique on its server. */
  name: string;
  /** On the machine that runs Pulumi, or on the server's host over SSH. */
  where: "local" | "remote";
  create: string | Secret;
  /** Runs on a change of the hook; without it, `create`. */
  update: string | Secret | undefined;
  delete: string | Secret | undefined;
  /** A change of one runs `delete` and `create`. */
  triggers: string[];
  environment: Record<string, string | Secret>;
}

/** A value that a Prosody option may have. Arrays become Lua lists, objects Lua tables. */
export type LuaValue = string | number | boolean | Secret | LuaValue[] | { [key: string]: LuaValue };

/** TCP ports (those for TURN are UDP ports, too); `false` switches a port off everywhere. */
export interface Ports {
  clientStarttls: number | false;
  clientDirectTls: number | false;
  server: number | false;
  serverDirectTls: number | false;
  https: number | false;
  proxy65: number | false;
  /** STUN and TURN over UDP and TCP: coturn, not Prosody. */
  turn: number | false;
  /** TURN over TLS and DTLS. */
  turnTls: number | false;
  /** External components (XEP-0114), see {@link Server.componentInterfaces}. */
  components: number | false;
}

/** STUN and TURN for calls, by coturn on the same host. */
export interface TurnSettings {
  enabled: boolean;
  /** Before its virtual host: the name under which all clients find it. */
  subdomain: string;
  /** The virtual host below which that name is, whose certificate it has. */
  domain: string;
  /** Public addresses of a host behind NAT: at most one of each family. */
  externalAddress: string[];
  /** UDP ports for relaying, both included. */
  relayPorts: { from: number; to: number };
  /** Offered over TLS: there is a port, and the certificate of its virtual host covers the name. */
  tls: boolean;
}

/** Figures about the server, and who may read them besides the host itself. */
export interface MetricsSettings {
  enabled: boolean;
  addresses: string[];
  /** CIDR. */
  network: string | undefined;
}

/** A virtual host, with exactly one source of its certificate. */
export interface Domain {
  name: string;
  /** Files of the user. */
  certificate?: CertificateSettings;
  /** The host asks an authority for it. */
  acme?: AcmeSettings;
  /** The host makes it itself, for trials. */
  selfSigned?: true;
}

/** A certificate by RFC 8555. */
export interface AcmeSettings {
  email: string;
  /** URL of the authority's directory. */
  server: string;
  challenge: "http-01";
  /** Besides the names of the domain and its services. */
  names: string[];
  /** PEM: whom to trust for `server`, besides public authorities. */
  ca?: string;
}

export type ModulesOrigin =
  /** The distribution's package. */
  | { kind: "package" }
  | { kind: "mercurial"; source: string; revision: string }
  /** Module → its files: path below the directory → text. */
  | { kind: "directory"; path: string; modules: Record<string, Record<string, string>> };

/** One program that connects to the server under one name, and the secret by which it is known. */
export interface ExternalComponent {
  /** `<subdomain>.<domain>`, A-labels. */
  name: string;
  subdomain: string;
  domain: string;
  secret: Secret;
}

/** PEM texts: the leaf, its key, and the intermediates in order, the one nearest the root last. */
export interface CertificateSettings {
  certificate: string;
  key: Secret;
  intermediates: string[];
}

/** Records in the Domain Name System, and who keeps them. */
export interface DnsSettings {
  provider: "none" | "cloudflare" | "rfc2136";
  /** Where SRV records of all virtual hosts point to; `undefined`: `xmpp.` below each of them. */
  target: string | undefined;
  /** Addresses of the target, as far as they are known. */
  address: { ipv4?: string; ipv6?: string };
  /** Seconds; 1 leaves it to Cloudflare. */
  ttl: number;
  /** Authorities that may issue certificates, with parameters, as in a CAA record; none: any. */
  caa: string[];
  tlsa: boolean;
  /** Whether SRV and CNAME records that somebody else made are replaced. */
  takeOver: boolean;
  /** Zone → Cloudflare's id; without a token, Cloudflare's own options have it. */
  cloudflare: { zones: Record<string, string>; apiToken?: Secret };
  nameServer?: NameServerSettings;
}

/** A name server that takes dynamic updates (RFC 2136). */
export interface NameServerSettings {
  address: string;
  port: number;
  /** TSIG (RFC 8945); the secret is Base64 text. */
  key: { name: string; algorithm: "hmac-sha256" | "hmac-sha384" | "hmac-sha512"; secret: Secret };
}

/** How to reach a name server, and how to deal with what it has. */
export interface NameServerAccess extends NameServerSettings {
  /** As in {@link DnsSettings}. */
  takeOver: boolean;
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

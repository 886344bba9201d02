import type { Release } from "./release";

/**
 * Where a release has a module from: Prosody itself (`core`), this program (`own`), the distribution's package of
 * community modules, nowhere (`missing`), or it needs none because another module does its work (`built in`).
 */
type Origin = "core" | "own" | "community" | "built in" | "missing";

/** One thing that the default server offers. */
interface Feature {
  /** Name of the module, as the newest release calls it. */
  module: string;
  /** Where it is loaded: on all virtual hosts, on the chat room component, or as a component of its own. */
  where: "virtual hosts" | "rooms" | "component";
  group: string;
  /** What a user gets; the configuration file says it beside the module. */
  what: string;
  /** Specifications: XEP numbers as in "0198", RFCs as in "RFC 6121". */
  specs: readonly string[];
  origin: Readonly<Record<Release, Origin>>;
  /** It answers over HTTPS, so it is left out where that port is off. */
  needsHttps?: true;
  /** It names the servers for calls, so it is left out without them, unless the user asks for it. */
  needsTurn?: true;
  /** It is for those who watch the server, so it is left out without `metrics`, unless the user asks for it. */
  needsMetrics?: true;
  /** It is the web client, so it is left out without `webClient`. */
  needsWebClient?: true;
  /** It is about invitations, so it is left out where one of the modules for them is. */
  needsInvitations?: true;
  /** It is about other servers, so it is left out where no port for them is open. */
  needsFederation?: true;
}

type Row = [module: string, what: string, specs: string, more?: Partial<Omit<Feature, "module" | "group">>];

const core = { "0.12": "core", "13.0": "core" } as const;
const own = { "0.12": "own", "13.0": "own" } as const;

const groups: Record<string, Row[]> = {
  "Sessions and security": [
    ["tls", "encryption", "RFC 6120, RFC 7590"],
    ["saslauth", "log-in", "RFC 6120"],
    ["disco", "finding out what the server offers", "0030, 0115"],
    ["roster", "contact lists", "RFC 6121, 0237"],
    ["smacks", "sessions that outlive a broken connection", "0198"],
    ["limits", "bandwidth limits, against floods", ""],
    ["tls_reload", "certificates can be replaced while clients connect", "", { origin: own }],
  ],
  "Several devices, mobile devices": [
    ["carbons", "every message on every device", "0280"],
    ["mam", "archive: a device fetches what it missed", "0313"],
    ["csi_simple", "saves the battery: holds back what can wait", "0352"],
    ["cloud_notify", "push notifications", "0357", { origin: { "0.12": "community", "13.0": "core" } }],
  ],
  "Profiles and personal data": [
    ["pep", "personal eventing: avatars, moods, OMEMO keys", "0163, 0060, 0384"],
    ["vcard4", "profiles", "0292"],
    ["vcard_legacy", "the same profiles and avatars for old clients", "0054, 0153, 0398"],
    ["bookmarks", "the same chat rooms on every device", "0402, 0048, 0411"],
    ["private", "private storage of old clients", "0049"],
    ["blocklist", "blocking of addresses", "0191"],
    [
      "account_activity",
      "when an account was last used, for the administrators",
      "",
      { origin: { "0.12": "missing", "13.0": "core" } },
    ],
  ],
  "Accounts: no open registration; administrators can invite": [
    ["register", "change of one's own password", "0077"],
    ["invites", "invitations", "0401"],
    ["invites_adhoc", "invitations made in a client", "0401, 0050"],
    ["invites_register", "an invited person makes the account", "0445, 0379"],
    [
      "invitation_page",
      "a web page for each invitation",
      "0401",
      { needsHttps: true, needsInvitations: true, origin: own },
    ],
  ],
  "Small questions": [
    ["ping", "is the server there?", "0199"],
    ["time", "what time is it there?", "0202"],
    ["uptime", "since when does it run?", "0012"],
    ["version", "which software is it?", "0092"],
    ["server_contact_info", "whom to write to about abuse", "0157"],
  ],
  "Other servers": [
    ["dialback", "weak proof of identity, never enough alone here", "0220", { needsFederation: true }],
    ["s2s_bidi", "one connection for both directions", "0288", { needsFederation: true }],
  ],
  "Web clients": [
    ["websocket", "XMPP over WebSocket", "RFC 7395", { needsHttps: true }],
    [
      "http_altconnect",
      "host-meta: where web clients connect",
      "0156",
      { needsHttps: true, origin: { "0.12": "missing", "13.0": "core" } },
    ],
    ["web_client", "a client in the browser", "", { needsHttps: true, needsWebClient: true, origin: own }],
  ],
  Calls: [
    [
      "external_services",
      "STUN and TURN servers for voice and video, with credentials",
      "0215",
      { needsTurn: true },
    ],
  ],
  Administration: [
    ["admin_shell", "prosodyctl, and the accounts of the stack", ""],
    ["admin_adhoc", "administration from a client", "0133, 0050"],
    ["http_openmetrics", "figures for monitoring", "", { needsHttps: true, needsMetrics: true }],
  ],
  "Chat rooms": [
    ["muc", "chat rooms", "0045, 0421", { where: "component" }],
    ["muc_mam", "archive of the rooms", "0313", { where: "rooms" }],
    [
      "vcard_muc",
      "avatars of the rooms",
      "0486, 0054",
      { where: "rooms", origin: { "0.12": "community", "13.0": "built in" } },
    ],
  ],
  Files: [
    ["http_file_share", "upload of files", "0363", { where: "component", needsHttps: true }],
    ["proxy65", "transfer of files between two clients", "0065", { where: "component" }],
  ],
};

/** The default server, in the order of the configuration file. docs/server.md shows it. */
export const features: readonly Feature[] = Object.entries(groups).flatMap(([group, rows]) =>
  rows.map(([module, what, specs, more]) => ({
    module,
    group,
    what,
    specs: specs === "" ? [] : specs.split(", "),
    where: "virtual hosts",
    origin: core,
    ...more,
  })),
);

/**
 * The default of `modules`: every feature that is a module. The release decides what becomes of each, so that one
 * list serves all of them. Components have settings of their own (`conference`, `upload`, `proxy65`).
 */
export const defaultModules: readonly string[] = features
  .filter(({ where }) => where !== "component")
  .map(({ module }) => module);

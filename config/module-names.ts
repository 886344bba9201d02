import type { Release } from "./release";

const shared =
  "adhoc admin_adhoc admin_shell admin_socket admin_telnet announce auth_anonymous auth_insecure " +
  "auth_internal_hashed auth_internal_plain auth_ldap authz_internal blocklist bookmarks bosh c2s carbons " +
  "component cron csi csi_simple debug_sql dialback disco external_services groups http http_errors " +
  "http_file_share http_files http_openmetrics invites invites_adhoc invites_register iq lastactivity legacyauth " +
  "limits mam message mimicking motd muc muc_mam muc_unique net_multiplex offline pep pep_plus pep_simple ping " +
  "posix presence private proxy65 pubsub register register_ibr register_limits roster s2s s2s_auth_certs " +
  "s2s_bidi saslauth scansion_record server_contact_info smacks stanza_debug storage_internal storage_memory " +
  "storage_none storage_sql storage_xep0227 time tls tokenauth tombstones turn_external unknown uptime " +
  "user_account_management vcard vcard4 vcard_legacy version watchregistrations websocket welcome windows";

/** The modules that Prosody's own package brings. Any other one is a community module. */
export const coreModules: Readonly<Record<Release, ReadonlySet<string>>> = {
  "0.12": new Set(shared.split(" ")),
  "13.0": new Set([
    ...shared.split(" "),
    ..."account_activity cloud_notify debug_reset flags http_altconnect s2s_auth_dane_in server_info".split(
      " ",
    ),
  ]),
};

/** Modules that every host loads unasked (core/modulemanager.lua); only `modules_disabled` keeps them away. */
export const autoloaded: ReadonlySet<string> = new Set([
  "presence",
  "message",
  "iq",
  "offline",
  "c2s",
  "s2s",
  "s2s_auth_certs",
]);

/** What became of a module's name. */
export interface Fate {
  outcome: "renamed" | "built in" | "superseded" | "component" | "dropped";
  /** The module that does its work now. */
  instead?: string;
  why: string;
}

const blocking: Fate = {
  outcome: "superseded",
  instead: "blocklist",
  why: "deprecated; blocklist does the same by XEP-0191 and takes over what a user has blocked",
};
const clientState: Fate = {
  outcome: "superseded",
  instead: "csi_simple",
  why: "csi_simple decides for a whole stanza what can wait, and does this too",
};
const inPep = (why: string): Fate => ({ outcome: "built in", instead: "pep", why });
const inSmacks: Fate = {
  outcome: "built in",
  instead: "smacks",
  why: "smacks hands unacknowledged messages on by itself",
};
const uploads: Fate = {
  outcome: "component",
  instead: "http_file_share",
  why: "the server's own component for uploads, see the setting `upload`",
};
const inStart: Fate = { outcome: "built in", why: "every server does this unasked" };

const everywhere: Record<string, Fate> = {
  vcard: {
    outcome: "superseded",
    instead: "vcard_legacy",
    why: "the two clash; vcard_legacy takes over the stored profiles and keeps avatars in step (XEP-0398)",
  },
  privacy_lists: blocking,
  blocking,
  filter_chatstates: clientState,
  throttle_presence: clientState,
  csi: { outcome: "built in", instead: "csi_simple", why: "csi_simple loads it" },
  smacks_offline: inSmacks,
  smacks_noerror: inSmacks,
  omemo_all_access: inPep("clients open their OMEMO keys to everybody with publish-options (XEP-0384)"),
  pep_simple: inPep("the two clash; pep does more"),
  pep_plus: { outcome: "renamed", instead: "pep", why: "pep_plus became pep" },
  pep_vcard_avatar: { outcome: "superseded", instead: "vcard_legacy", why: "became part of vcard_legacy" },
  bookmarks2: { outcome: "renamed", instead: "bookmarks", why: "became part of Prosody under a new name" },
  mam_muc: { outcome: "renamed", instead: "muc_mam", why: "became part of Prosody under a new name" },
  mam_archive: { outcome: "superseded", instead: "mam", why: "XEP-0136 gave way to XEP-0313" },
  http_upload: uploads,
  http_file_share: uploads,
  proxy65: { outcome: "component", why: "see the setting `proxy65`" },
  muc: { outcome: "component", why: "see the setting `conference`" },
  component: { outcome: "component", why: "external components load it" },
  posix: inStart,
  admin_telnet: {
    outcome: "superseded",
    instead: "admin_shell",
    why: "a local socket, not a port for everybody",
  },
  admin_socket: { outcome: "built in", instead: "admin_shell", why: "admin_shell loads it" },
  console: { outcome: "renamed", instead: "admin_shell", why: "the console became the shell" },
  compression: { outcome: "dropped", why: "compression under encryption leaks what is said (XEP-0138)" },
  extdisco: {
    outcome: "renamed",
    instead: "external_services",
    why: "became part of Prosody under a new name",
  },
  turncredentials: {
    outcome: "superseded",
    instead: "external_services",
    why: "names the servers of the setting `turn`",
  },
};

const onNewerConnections: Fate = {
  outcome: "dropped",
  why: "it calls what connections of Prosody 0.12 do not have (`ssl_info`), so that nobody could log in",
};

const per: Record<Release, Record<string, Fate>> = {
  "0.12": Object.fromEntries(
    ["sasl2", "sasl2_bind2", "sasl2_fast", "sasl2_sm"].map((name) => [name, onNewerConnections]),
  ),
  "13.0": {
    vcard_muc: { outcome: "built in", why: "chat rooms have avatars of their own accord" },
    lastlog2: {
      outcome: "superseded",
      instead: "account_activity",
      why: "became part of Prosody; `prosodyctl shell migrate account_activity_lastlog2 HOST` keeps the old entries",
    },
  },
};

/** What became of a module that once had this name; undefined for a name that is still the right one. */
export function fateOf(name: string, release: Release): Fate | undefined {
  if (autoloaded.has(name)) return inStart;
  const kind = /^(auth|storage)_/.exec(name)?.[1];
  if (kind) {
    const setting =
      kind === "auth" ? `options: { authentication: ${name.slice(kind.length + 1)} }` : "storage";
    return { outcome: "dropped", why: `not for this list: \`${setting}\`` };
  }
  return per[release][name] ?? everywhere[name];
}

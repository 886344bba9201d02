import { Secret } from "../config/secret";
import type { LuaValue } from "../config/settings";
import { isIdentifier } from "./lua";

/** What the default server sets and a user may set otherwise with `options`. */
export const defaults = {
  plugin_paths: ["/usr/local/lib/prosody/modules"],
  http_ports: [],
  c2s_require_encryption: true,
  s2s_require_encryption: true,
  s2s_secure_auth: true,
  authentication: "internal_hashed",
  allow_registration: false,
  limits: { c2s: { rate: "10kb/s" }, s2sin: { rate: "30kb/s" } },
  hide_os_type: true,
  archive_expires_after: "4w",
  muc_log_expires_after: "4w",
  muc_room_default_persistent: true,
  advertise_bosh: false,
} as const satisfies Record<string, LuaValue | readonly LuaValue[]>;

/** Options that other settings speak for, or that the program relies on: option → what to set instead. */
const owned: Readonly<Record<string, string>> = {
  admins: "prosody:admins",
  modules_enabled: "prosody:extraModules or prosody:modules",
  modules_disabled: "prosody:disabledModules",
  c2s_ports: "prosody:ports.clientStarttls",
  c2s_direct_tls_ports: "prosody:ports.clientDirectTls",
  legacy_ssl_ports: "prosody:ports.clientDirectTls",
  s2s_ports: "prosody:ports.server",
  s2s_direct_tls_ports: "prosody:ports.serverDirectTls",
  https_ports: "prosody:ports.https",
  proxy65_ports: "prosody:ports.proxy65",
  component_ports: "prosody:ports.components",
  tls_profile: "prosody:tls.minimum",
  certificates: "prosody:domains",
  contact_info: "prosody:contacts",
  log: "prosody:logging",
  restrict_room_creation: "prosody:conference.creators",
  http_file_share_size_limit: "prosody:upload.maxBytes",
  http_file_share_daily_quota: "prosody:upload.dailyQuotaBytes",
  http_file_share_expires_after: "prosody:upload.expiresAfterDays",
  component_secret: "prosody:components",
  admin_socket: "",
  pidfile: "",
  data_path: "",
};

/** Names that mean something else in a configuration file (core/configmanager.lua). */
const reserved = new Set(
  (
    "VirtualHost Host host Component component Include include RunScript FileContents FileLine FileLines " +
    "Credential Lua"
  ).split(" "),
);

/** Values that take away what the default server promises: option → value → what is lost. */
const weakening: readonly [option: string, value: LuaValue, loss: string][] = [
  ["c2s_require_encryption", false, "clients may log in without encryption"],
  ["s2s_require_encryption", false, "other servers may connect without encryption"],
  ["s2s_secure_auth", false, "other servers need no valid certificate"],
  ["allow_registration", true, "everybody may make an account"],
  ["authentication", "internal_plain", "passwords are stored in clear"],
];

/** Pure: what is wrong with `options`, each a sentence with the fix; empty when all is well. */
export function optionProblems(options: Record<string, LuaValue>): string[] {
  return Object.keys(options).flatMap((name) => {
    const problem = optionProblem(name);
    return problem === undefined ? [] : [`prosody:options: ${JSON.stringify(name)} ${problem}`];
  });
}

function optionProblem(name: string): string | undefined {
  if (!isIdentifier(name) || reserved.has(name) || name.startsWith("ENV_"))
    return "can't be the name of an option. Names are letters, digits and underscores, as in c2s_idle_timeout.";
  const instead = Object.hasOwn(owned, name) ? owned[name] : undefined;
  if (instead === undefined) return undefined;
  return instead === "" ? "belongs to the program. Leave it out." : `is not set here. Use ${instead}.`;
}

/** Pure: what `options` take away from the default server's safety. */
export function optionWarnings(options: Record<string, LuaValue>): string[] {
  return weakening
    .filter(([name, value]) => options[name] === value)
    .map(([name, value, loss]) => `prosody:options: ${name} is ${JSON.stringify(value)}: ${loss}.`);
}

/** True for a secret, and for a list or table that holds one at any depth. */
export function holdsSecret(value: LuaValue): boolean {
  if (value instanceof Secret) return true;
  return typeof value === "object" && Object.values(value).some(holdsSecret);
}

import { Secret } from "../config/secret";
import type { LuaValue } from "../config/settings";

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

/** Values that take away what the default server promises: option → value → what is lost. */
const weakening: readonly [option: string, value: LuaValue, loss: string][] = [
  ["c2s_require_encryption", false, "clients may log in without encryption"],
  ["s2s_require_encryption", false, "other servers may connect without encryption"],
  ["s2s_secure_auth", false, "other servers need no valid certificate"],
  ["allow_registration", true, "everybody may make an account"],
  [
    "authentication",
    "internal_plain",
    "passwords are stored in clear, and who has one that is stored as a hash can't log in until it is set anew",
  ],
  [
    "password_hash",
    "SHA-256",
    "who has a password that was stored with SHA-1 can't log in until it is set anew, which up does with `policy: enforced` alone",
  ],
];

/** Pure: what `options` take away from the default server's safety. */
export function optionWarnings(options: Record<string, LuaValue>): string[] {
  return weakening
    .filter(([name, value]) => options[name] === value)
    .map(([name, value, loss]) => `prosody:options: ${name} is ${JSON.stringify(value)}: ${loss}.`);
}

/** By which hash a server stores passwords and checks them, if by another than SHA-1. */
export function passwordHash(options: Record<string, LuaValue>): "SHA-256" | undefined {
  const { authentication, password_hash }: Record<string, LuaValue> = { ...defaults, ...options };
  return authentication === "internal_hashed" && password_hash === "SHA-256" ? password_hash : undefined;
}

/** True for a secret, and for a list or table that holds one at any depth. */
export function holdsSecret(value: LuaValue): boolean {
  if (value instanceof Secret) return true;
  return typeof value === "object" && Object.values(value).some(holdsSecret);
}

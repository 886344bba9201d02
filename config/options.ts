import { z } from "zod";
import { isMap } from "./parts";
import { accepting, parsing, Refused } from "./refused";
import { Secret } from "./secret";
import type { LuaValue } from "./settings";

/** Prosody's options that settings of this program speak for: option → setting. */
const owned: Readonly<Record<string, string>> = {
  admins: "prosody:admins",
  modules_enabled: "prosody:extraModules (or prosody:modules, for the whole list)",
  modules_disabled: "prosody:disabledModules",
  c2s_ports: "prosody:ports.clientStarttls",
  c2s_direct_tls_ports: "prosody:ports.clientDirectTls",
  legacy_ssl_ports: "prosody:ports.clientDirectTls",
  s2s_ports: "prosody:ports.server",
  s2s_direct_tls_ports: "prosody:ports.serverDirectTls",
  https_ports: "prosody:ports.https",
  proxy65_ports: "prosody:ports.proxy65",
  component_ports: "prosody:ports.components",
  components_listen_port: "prosody:ports.components",
  component_interfaces: "prosody:componentInterfaces",
  component_interface: "prosody:componentInterfaces",
  tls_profile: "prosody:tls.minimum",
  ssl: "prosody:tls.minimum and prosody:domains",
  certificates: "prosody:domains",
  https_certificate: "prosody:domains",
  c2s_certificate: "prosody:domains",
  s2s_certificate: "prosody:domains",
  contact_info: "prosody:contacts",
  log: "prosody:logging",
  storage: "prosody:storage",
  default_storage: "prosody:storage",
  sql: "prosody:storage",
  restrict_room_creation: "prosody:conference.creators",
  http_file_share_size_limit: "prosody:upload.maxBytes",
  http_file_share_daily_quota: "prosody:upload.dailyQuotaBytes",
  http_file_share_expires_after: "prosody:upload.expiresAfterDays",
  http_upload_file_size_limit: "prosody:upload.maxBytes",
};

/** Options that this program needs for itself. */
const internal = [
  "admin_socket",
  "pidfile",
  "data_path",
  "component_secret",
  "daemonize",
  "prosody_user",
  "prosody_group",
  "installer_plugin_path",
];

/** Names that mean something else in Prosody's configuration (core/configmanager.lua). */
const directives: Readonly<Record<string, string>> = {
  VirtualHost: "name the domain in prosody:domains",
  Host: "name the domain in prosody:domains",
  host: "name the domain in prosody:domains",
  Component:
    "components come from prosody:components, prosody:conference, prosody:upload and prosody:proxy65",
  component:
    "components come from prosody:components, prosody:conference, prosody:upload and prosody:proxy65",
  Include: "write the options here instead of a file of their own",
  include: "write the options here instead of a file of their own",
};

const functions = ["RunScript", "FileContents", "FileLine", "FileLines", "Credential", "Lua"];

/** Words that Lua keeps for itself (Lua 5.4 manual, 3.1). */
const keywords =
  "and break do else elseif end false for function goto if in local nil not or repeat return then true until while".split(
    " ",
  );

/** @throws Refused when the option can't be set here */
function parseName(name: string): string {
  if (Object.hasOwn(directives, name))
    throw new Refused(`this is a directive of Prosody's configuration, not an option; ${directives[name]}`);
  if (functions.includes(name) || name.startsWith("ENV_"))
    throw new Refused("this is a function of Prosody's configuration, not an option; give the value itself");
  if (keywords.includes(name)) throw new Refused("this is a word of the language Lua, not an option");
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    throw new Refused("an option's name has letters, digits and underscores, as in c2s_idle_timeout");
  if (Object.hasOwn(owned, name)) throw new Refused(`it is not set here; use ${owned[name]}`);
  if (internal.includes(name)) throw new Refused("this program sets it for itself; leave it out");
  return name;
}

/** @throws Refused for what Lua has no value for */
function parseValue(value: unknown): LuaValue {
  if (value instanceof Secret) return value;
  if (Array.isArray(value)) return value.map((item) => parseValue(item));
  if (isMap(value))
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, parseValue(item)]));
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value))
    throw new Refused("a whole number beyond 2^53 loses digits; quote it");
  if (typeof value === "number") return value;
  if (value === null) throw new Refused("Lua has no empty value; give one, or leave the option out");
  throw new Refused("give a text, a number, true or false, a list or a map");
}

/** @param encrypted whether one of them is stored as a secret */
export const options = (encrypted: boolean) =>
  z
    .record(z.string().superRefine(accepting(parseName)), z.unknown().transform(parsing(parseValue)), {
      error: "give a map from Prosody's option to its value",
    })
    .transform((given) =>
      Object.fromEntries(
        Object.entries(given).map(([name, value]) => [name, hideSecrets(value, encrypted, name)]),
      ),
    )
    .prefault({})
    .meta({
      description:
        "Any other global option of Prosody (https://prosody.im/doc/configure), by name: texts, numbers, booleans, lists and maps. If one of them is stored as a secret, every text among them is treated as one, because Pulumi does not tell which it was; the same goes for texts whose name ends in `secret`, `password` or `token`.",
      secret: true,
      form: "map from option to value",
      example: "options: { c2s_idle_timeout: 300, archive_expires_after: 1y }",
    });

export const secretName = /(secret|password|token)$/i;

/** Wraps what may be a secret, since nothing but its name and `encrypted` tells. */
function hideSecrets(value: LuaValue, encrypted: boolean, name: string): LuaValue {
  if (typeof value === "string") return encrypted || secretName.test(name) ? new Secret(value) : value;
  if (typeof value !== "object" || value instanceof Secret) return value;
  if (Array.isArray(value)) return value.map((item) => hideSecrets(item, encrypted, name));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, hideSecrets(item, encrypted, key)]),
  );
}

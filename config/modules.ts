import { z } from "zod";
import { list } from "./parts";
import { parsing, Refused, refuse } from "./refused";

/** Names as Prosody 13 has them, in the order of its own documentation: basics, security, comfort, mobile, web. */
export const standardModules = (
  "roster saslauth tls dialback disco private vcard4 vcard_legacy version uptime time ping pep register blocklist " +
  "bookmarks carbons mam smacks csi csi_simple cloud_notify offline server_contact_info " +
  "http websocket bosh invites invites_register admin_shell"
).split(" ");

/** Modules that this program itself relies on, and why. */
const needed: Record<string, string> = {
  admin_shell: "accounts are managed through it",
  saslauth: "nobody could log in",
  tls: "nobody could connect safely",
};

const help = "give the name of a module, such as mam, or a list of them";

/** @throws Refused */
function parseModule(name: string): string {
  if (name.startsWith("mod_")) throw new Refused("leave out mod_; give the name alone");
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name))
    throw new Refused("a module's name has letters, digits and underscores");
  return name;
}

const names = (description: string, example: string) =>
  list(z.string(help).transform(parsing(parseModule)), help)
    .transform((modules) => [...new Set(modules)])
    .prefault([])
    .meta({ description, form: "module, or a list of them", example });

export const modules = () =>
  names(
    "The modules that are enabled, instead of the default list. Names of older releases are understood, too. Add to the list with `extraModules`, and take from it with `disabledModules`.",
    "modules: [roster, saslauth, tls, disco, admin_shell]",
  )
    .prefault(standardModules)
    .meta({ otherwise: `\`${standardModules.join(" ")}\`` });

export const extraModules = () =>
  names(
    "Modules in addition to the list: Prosody's own or from the community's collection.",
    "extraModules: [http_openmetrics]",
  );

export const disabledModules = () =>
  names(
    "Modules taken out of the list, or out of what Prosody loads by itself.",
    "disabledModules: [register]",
  );

/** What the three lists say against each other. */
export function checkModules(
  given: { modules?: unknown; extraModules?: unknown; disabledModules?: unknown },
  ctx: z.RefinementCtx,
): void {
  const [modules, extra, disabled] = [given.modules, given.extraModules, given.disabledModules].map(
    (names) => (Array.isArray(names) ? (names as unknown[]) : []),
  ) as [unknown[], unknown[], unknown[]];
  disabled.forEach((name, index) => {
    if (extra.includes(name))
      refuse(ctx, "it is also among extraModules; decide for one", ["disabledModules", index]);
    else if (typeof name === "string" && needed[name])
      refuse(ctx, `it can't be disabled: ${needed[name]}`, ["disabledModules", index]);
  });
  for (const name of Object.keys(needed))
    if (Array.isArray(given.modules) && !modules.includes(name) && !extra.includes(name))
      refuse(ctx, `${name} is missing, and ${needed[name]}; add it`, ["modules"]);
}

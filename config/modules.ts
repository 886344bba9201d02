import { z } from "zod";
import { defaultModules } from "./features";
import { list } from "./parts";
import { parsing, Refused, refuse } from "./refused";

/** Modules that the server or this program can't do without, and why. */
const needed: Record<string, string> = {
  admin_shell: "accounts are managed through it",
  saslauth: "nobody could log in",
  tls: "nobody could log in, because encryption is required",
  disco: "clients would find none of the server's features",
};

const help = "give the name of a module, such as mam, or a list of them";

/** @throws Refused */
function parseModule(name: string): string {
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name))
    throw new Refused("a module's name has letters, digits and underscores, as in http_openmetrics");
  return name.replace(/^mod_/, "");
}

const names = (standard: readonly string[]) =>
  list(z.string(help).transform(parsing(parseModule)), help)
    .transform((modules) => [...new Set(modules)])
    .prefault([...standard]);

const form = "module, or a list of them";

export const modules = () =>
  names(defaultModules).meta({
    description:
      "The modules that are enabled, instead of the default list. Names of older releases are understood, too. Add to the list with `extraModules`, and take from it with `disabledModules`.",
    form,
    otherwise: defaultModules.map((name) => `\`${name}\``).join(" "),
    example: "modules: [roster, saslauth, tls, disco, mam, carbons, smacks]",
  });

export const extraModules = () =>
  names([]).meta({
    description: "Modules in addition to the list: Prosody's own, or from the community's collection.",
    form,
    otherwise: "none",
    example: "extraModules: [http_openmetrics]",
  });

export const disabledModules = () =>
  names([]).meta({
    description: "Modules taken out of the list, or out of what Prosody loads by itself.",
    form,
    otherwise: "none",
    example: "disabledModules: [private]",
  });

/** What the lists say against each other. */
export function checkModules(
  given: { extraModules?: unknown; disabledModules?: unknown },
  ctx: z.RefinementCtx,
): void {
  const [extra, disabled] = [given.extraModules, given.disabledModules].map((names) =>
    Array.isArray(names) ? (names as unknown[]) : [],
  ) as [unknown[], unknown[]];
  disabled.forEach((name, index) => {
    const path = ["disabledModules", index];
    if (extra.includes(name)) refuse(ctx, "it is among extraModules, too; decide for one", path);
    else if (typeof name === "string" && needed[name])
      refuse(ctx, `it can't be disabled: ${needed[name]}`, path);
  });
}

import { z } from "zod";
import { type Files, readText } from "./environment";
import { isMap } from "./parts";
import { parsing, Refused } from "./refused";
import type { ModulesOrigin } from "./settings";

const originHelp =
  "give package, or a map with source and revision, or a map with directory (the Mercurial source needs a revision)";
const sourceHelp =
  "give the address of a Mercurial repository, such as https://hg.prosody.im/prosody-modules/";

/** @throws Refused */
function parseSource(text: string): string {
  if (!/^(https?|ssh):\/\/[^\s/]/.test(text) || !URL.canParse(text)) throw new Refused(sourceHelp);
  const { username, password, protocol } = new URL(text);
  if (password || (username && protocol !== "ssh:"))
    throw new Refused("leave the user's name and password out: they would be seen by everybody on the host");
  if (text.includes("://-")) throw new Refused(sourceHelp);
  return text;
}

/** Names that mean another changeset every day. */
const moving = ["tip", "default", "stable", "null", "@"];

/** @throws Refused */
function parseRevision(text: string): string {
  if (moving.includes(text))
    throw new Refused("this is another revision tomorrow; pin one by its hash or its tag");
  if (/^[0-9]{1,5}$/.test(text))
    throw new Refused("numbers of revisions differ from clone to clone; give the hash or a tag");
  if (!/^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$/.test(text))
    throw new Refused("give a revision by its hash, such as 81956bb99289, or its tag");
  return text;
}

const mercurial = () =>
  z.strictObject({
    source: z.string(sourceHelp).transform(parsing(parseSource)).meta({
      description: "A Mercurial repository, which the host fetches (http, https or ssh).",
      form: "URL",
      example: "source: https://hg.prosody.im/prosody-modules/",
    }),
    revision: z
      .preprocess(
        (value) => (typeof value === "number" ? String(value) : value),
        z.string("give a revision by its hash, such as 81956bb99289, or its tag"),
      )
      .transform(parsing(parseRevision))
      .meta({
        description: "The revision to use: the hash, in full or its first digits, or a tag.",
        form: "hash or tag",
        example: "revision: 81956bb99289",
      }),
  });

const directory = (files: Files) =>
  z.strictObject({
    directory: z
      .string("give the path of a directory with modules")
      .transform(parsing((path: string) => ({ path, modules: readModules(files, path) })))
      .meta({
        description:
          "A directory of your own with `mod_NAME/mod_NAME.lua` or `mod_NAME.lua`; relative to Pulumi.yaml.",
        form: "path",
        example: "directory: modules",
      }),
  });

/** Where community modules come from. */
export const modulesOrigin = (files: Files) =>
  z
    .union([z.literal("package"), z.unknown()])
    .prefault("package")
    .transform((given, ctx): ModulesOrigin => {
      if (given === "package") return { kind: "package" };
      if (!isMap(given)) {
        ctx.addIssue({ code: "custom", message: originHelp });
        return z.NEVER;
      }
      const checks = "directory" in given ? directory(files) : mercurial();
      const { data, error } = checks.safeParse(given);
      if (!data) {
        for (const issue of error.issues) ctx.issues.push({ ...issue, input: given } as never);
        return z.NEVER;
      }
      return "directory" in data ? { kind: "directory", ...data.directory } : { kind: "mercurial", ...data };
    })
    .meta({
      description:
        "Where community modules (those that Prosody itself lacks) come from: `package`, the distribution's `prosody-modules`; a Mercurial repository, with `source` and `revision`; or `directory`, a directory of your own, beside which the package brings what else the list needs. Only the modules that the list enables, and what they need, are put on the host.",
      form: "`package`, or a map",
      otherwise: "`package`",
      example: `modulesOrigin:
  source: https://hg.prosody.im/prosody-modules/
  revision: 81956bb99289`,
    });

/**
 * Module → its files, by their paths in the directory.
 * @throws Refused
 */
function readModules(files: Files, directory: string): Record<string, Record<string, string>> {
  const absolute = files.resolve(directory);
  const names = listing(files, absolute);
  const modules: Record<string, Record<string, string>> = {};
  for (const name of names) {
    const module = /^mod_(\w+)(\.lua$|\/)/.exec(name)?.[1];
    if (!module || /(^|\/)\./.test(name)) continue;
    modules[module] = { ...modules[module], [name]: readText(files, `${absolute}/${name}`) };
  }
  const whole = Object.entries(modules).filter(
    ([module, parts]) => `mod_${module}.lua` in parts || `mod_${module}/mod_${module}.lua` in parts,
  );
  if (whole.length === 0)
    throw new Refused(`${absolute} has no module: neither mod_NAME.lua nor mod_NAME/mod_NAME.lua`);
  return Object.fromEntries(whole);
}

function listing(files: Files, absolute: string): string[] {
  try {
    return files.list(absolute);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT")
      throw new Refused(`there is no directory ${absolute}; relative paths start where Pulumi.yaml is`);
    if (code === "ENOTDIR") throw new Refused(`${absolute} is a file; give the directory that holds it`);
    throw new Refused(`${absolute} can't be read (${code ?? "unknown error"})`);
  }
}

import type * as yaml from "yaml";
import { z } from "zod";
import { type Files, readText } from "./environment";
import { parseAccount, parseJid } from "./jid";
import { account } from "./jids";
import { type JsonSchema, optionPath, type Problem, problemsFrom } from "./problems";
import { attempt, parsing, Refused, refuse } from "./refused";
import type { Account } from "./settings";
import { either } from "./words";

/** What the accounts of a file are checked against. */
interface Around {
  /** The virtual hosts that are written well. */
  domains: readonly string[];
  /** JIDs of the stack config, as they are written there. */
  jids: readonly string[];
}

/** More accounts, in a file of the user's: the engine can't hand on a stack config with thousands of them. */
export const jidsFile = (files: Files, around: Around) =>
  z
    .string("give the path of a YAML file, such as jids.prod.yaml")
    .transform((file, ctx) =>
      parsing((name: string): Account[] => {
        const text = readText(files, name);
        const mode = files.mode(files.resolve(name));
        if (mode & 0o077)
          refuse(
            ctx,
            `it holds passwords, and others may open it (mode ${mode.toString(8)}); close it: chmod 600 ${name}`,
          );
        const { accounts, problems } = accountsOf(entriesOf(text), around);
        for (const { option, message } of problems)
          refuse(ctx, message, [], option.replace("prosody:jids", name));
        return accounts;
      })(file, ctx),
    )
    .optional()
    .meta({
      description:
        "A YAML file with more accounts, each as in `jids`. The stack config can't have more than about 2,000 of them, because of a limit of the engine. Passwords in the file are in clear, so it must be its owner's alone (`chmod 600`); git ignores what is called `jids*.yaml` in the clone. Put passwords between quotes. An account that must not exist reads `null` or `''`: where nothing stands at all, it is taken for a mistake.",
      form: "path",
      otherwise: "no file",
      example: "jidsFile: jids.prod.yaml",
    });

/** `undefined` as a value: nothing stands there. */
type Entry = readonly [written: string, value: unknown];

/** Accounts that are written well, and problems of the others as if they stood in the stack config. */
function accountsOf(entries: readonly Entry[], { domains, jids }: Around) {
  const seen = new Map(
    jids.map((written) => [attempt(() => parseJid(written)), optionPath(["jids", written])]),
  );
  const issues: z.core.$ZodIssue[] = [];
  const accounts = entries.flatMap(([written, value]): Account[] => {
    const wrong = (message: string) =>
      issues.push({ code: "custom", path: ["jids", written], message, input: undefined });
    let jid: string | undefined;
    try {
      jid = parseAccount(written, domains);
      const twin = seen.get(jid);
      if (twin) wrong(`this is the same account as ${twin}; keep one of them`);
      else seen.set(jid, written);
    } catch (error) {
      wrong((error as Refused).message);
    }
    if (value === undefined) {
      wrong(
        "nothing stands after a colon; put a password that begins with # between quotes, and write null for an account that must not exist",
      );
      return [];
    }
    const { data, error } = account.safeParse(value);
    for (const issue of error?.issues ?? [])
      issues.push({ ...issue, path: ["jids", written, ...issue.path] });
    return jid && data ? [{ jid, ...data }] : [];
  });
  return { accounts, problems: issues.length > 0 ? explain(issues, entries) : [] };
}

function explain(issues: z.core.$ZodIssue[], entries: readonly Entry[]): Problem[] {
  const one = z.toJSONSchema(account, { io: "input", unrepresentable: "any" }) as JsonSchema;
  const schema = { properties: { jids: { secret: true, additionalProperties: one } } };
  return problemsFrom(issues, { jids: Object.fromEntries(entries) }, schema, new Set(["jids"]));
}

/**
 * JIDs, and what stands for each. What the library says of a mistake may quote a password, so its words are not used.
 * @throws Refused
 */
function entriesOf(text: string): Entry[] {
  const { LineCounter, isMap, isScalar, parseDocument, visit } = require("yaml") as typeof yaml; // takes 50 ms
  const lineCounter = new LineCounter();
  // The library would compare each key with each.
  const document = parseDocument(text, { prettyErrors: false, uniqueKeys: false, lineCounter });
  const broken = [...document.errors, ...document.warnings].map(({ pos }) => pos[0]);
  visit(document, { Alias: (_key, { range }) => void broken.push(range![0]) });
  const lines = [...new Set(broken.map((at) => lineCounter.linePos(at).line))].sort((a, b) => a - b);
  if (lines.length > 0)
    throw new Refused(
      `${lines.length > 1 ? "lines" : "line"} ${either(lines.map(String), "and")} can't be read as YAML; put passwords between quotes`,
    );
  if (!isMap(document.contents))
    throw new Refused(
      "the file has to be a map from each JID to its password, a line each: alice@example.com: 'her first password'",
    );
  const isNothing = (node: unknown): boolean =>
    isMap(node)
      ? node.items.some(({ value }) => isNothing(value))
      : !node || (isScalar(node) && node.type === "PLAIN" && node.source === "");
  return document.contents.items.map(({ key, value }) => [
    String(key),
    isNothing(value) ? undefined : (value as yaml.Node).toJS(document),
  ]);
}

import type { z } from "zod";
import { isMap } from "./parts";
import { closest, either } from "./words";

/** Something wrong with the stack config. */
export interface Problem {
  /** The option, as `pulumi config set --path` wants it: `prosody:jids["alice@example.com"].policy`. */
  option: string;
  /** The value as JSON, where there is one that may be shown. */
  value?: string;
  /** What is wrong or allowed, and what to do. */
  message: string;
}

/** A part of the JSON Schema that zod makes of the stack config's schema. */
export interface JsonSchema {
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | false;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  secret?: boolean;
}

/** Option names of the Ansible role that this project replaces, and other words that people try. */
const formerly: Readonly<Record<string, string>> = {
  ssl: "domains",
  virtualhosts: "domains",
  vhosts: "domains",
  accounts: "jids",
  users: "jids",
  admin_jids: "admins",
  global_stanzas: "options",
  muc: "conference",
  http_upload: "upload",
  modules_enabled: "modules",
  modules_disabled: "disabledModules",
  client_ssl: "clientDirectTls",
  client_starttls: "clientStarttls",
  c2s: "clientStarttls",
  s2s: "server",
  components_listen_port: "components",
  prosody_log: "file",
  protocol: "minimum",
  cert: "certificate",
  crt: "certificate",
  chain: "intermediates",
  ca: "intermediates",
  hostname: "address",
  ip: "address",
  username: "user",
  identityFile: "privateKeyFile",
  timeout: "connectTimeout",
  password: "privateKeyFile",
  restrict_room_creation: "creators",
  bastion: "jump",
  proxyJump: "jump",
};

/** Words of that role that have no counterpart, and why. */
const needless: Readonly<Record<string, string>> = {
  assembled: "the chain is put together on the host; leave it out",
  user_may_read: "Prosody may read its keys by itself; leave it out",
  secure: "this was encrypted for another stack; set it anew with pulumi config set --path --secret",
};

/**
 * What zod found, section by section.
 * @param raw the stack config, where the values are
 * @param schema tells which of them must not be shown, and which options there are
 * @param encrypted top-level options that hold a secret somewhere: Pulumi does not tell where
 */
export function problemsFrom(
  issues: readonly z.core.$ZodIssue[],
  raw: Record<string, unknown>,
  schema: JsonSchema,
  encrypted: ReadonlySet<string>,
): Problem[] {
  const sections = Object.keys(schema.properties ?? {});
  const rank = ({ path }: z.core.$ZodIssue) => sections.indexOf(String(path[0])) + 1 || sections.length + 1;
  const sorted = [...issues].sort((a, b) => rank(a) - rank(b));
  const problems = sorted.flatMap((issue): Problem[] => {
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => unknownOption([...issue.path, key], schema));
    const path = asWritten(issue.path, raw);
    const option = optionPath(path);
    if (issue.code === "invalid_key") return issue.issues.map(({ message }) => ({ option, message }));
    const value = valueAt(raw, path);
    if (value === undefined) return [{ option, message: withState("is missing", issue) }];
    if (value === null || value === "") return [{ option, message: withState("is empty", issue) }];
    const shown = encrypted.has(String(path[0])) || isSecret(path, schema) ? undefined : show(value);
    return [{ option, ...(shown !== undefined && { value: shown }), message: issue.message }];
  });
  const unique = new Map(problems.map((problem) => [line(problem), problem]));
  return [...unique.values()];
}

/** One line per problem, ready to be shown. */
export function line({ option, value, message }: Problem): string {
  const end = /[.?]$/.test(message) ? "" : ".";
  return `${option}${value === undefined ? "" : ` = ${value}`}: ${message}${end}`;
}

/** All problems at once. */
export function report(problems: readonly Problem[]): string {
  const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
  const lines = problems.map((problem) => `  ${line(problem)}`);
  return `The stack config has ${count}; nothing was changed.\n${lines.join("\n")}\nEvery option is explained in docs/configuration.md.`;
}

/** As `pulumi config set --path` wants it. */
export function optionPath(path: readonly PropertyKey[]): string {
  const [top, ...rest] = path;
  const steps = rest.map((key) => {
    if (typeof key === "number") return `[${key}]`;
    return /^[A-Za-z_][A-Za-z0-9_]*$/.test(String(key)) ? `.${String(key)}` : `[${JSON.stringify(key)}]`;
  });
  return `prosody:${String(top)}${steps.join("")}`;
}

function unknownOption(path: PropertyKey[], schema: JsonSchema): Problem {
  const key = String(path.at(-1));
  const known = Object.keys(schemaAt(schema, path.slice(0, -1)).at(-1)?.properties ?? {});
  const advice = Object.hasOwn(needless, key) ? needless[key] : undefined;
  const former = Object.hasOwn(formerly, key) ? formerly[key] : undefined;
  const near = former !== undefined && known.includes(former) ? former : closest(key, known);
  return {
    option: optionPath(path),
    message:
      advice ??
      `there is no such option; ${near ? `did you mean ${near}?` : `there are ${either(known, "and")}`}`,
  };
}

/** Short forms are checked as the long ones they stand for: `host: x` as `host: { address: x }`. */
function asWritten(path: readonly PropertyKey[], raw: unknown): PropertyKey[] {
  const written: PropertyKey[] = [];
  let value = raw;
  for (const key of path) {
    if (typeof value !== "object" && value !== undefined) break;
    if (value === null && written.length > 0 && isJid(written)) break;
    written.push(key);
    value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  }
  return written;
}

const isJid = (path: PropertyKey[]) => path[0] === "jids";

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key],
    raw,
  );
}

function withState(state: string, issue: z.core.$ZodIssue): string {
  return issue.code === "custom" ? issue.message : `${state}; ${issue.message}`;
}

/** The schemas from the top down to a place; several where a value may have one of several forms. */
function schemaAt(schema: JsonSchema, path: readonly PropertyKey[]): JsonSchema[] {
  const found = [schema];
  for (const key of path) {
    const forms = [found.at(-1)!, ...(found.at(-1)!.anyOf ?? [])];
    const next = forms
      .map((form) =>
        typeof key === "number" ? form.items : (form.properties?.[String(key)] ?? form.additionalProperties),
      )
      .find((child) => child !== undefined && child !== false);
    if (!next) break;
    found.push(next);
  }
  return found;
}

/** The nearest mark decides, from the value upwards. */
function isSecret(path: readonly PropertyKey[], schema: JsonSchema): boolean {
  return schemaAt(schema, path).findLast(({ secret }) => secret !== undefined)?.secret ?? false;
}

/** Only what is short and can't be a key that went astray. */
function show(value: unknown): string | undefined {
  if (isMap(value) || Array.isArray(value)) return undefined;
  const text = JSON.stringify(value);
  return text === undefined || text.length > 80 || /\\n|-----BEGIN/.test(text) ? undefined : text;
}

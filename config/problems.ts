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
  log: "logging",
  clientTls: "clientDirectTls",
  muc: "conference",
  http_upload: "upload",
  coturn: "turn",
  stun: "turn",
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
  letsencrypt: "acme",
  certbot: "acme",
  crt: "certificate",
  chain: "intermediates",
  ca: "intermediates",
  keyfile: "privateKeyFile",
  hostname: "address",
  ip: "address",
  username: "user",
  identityFile: "privateKeyFile",
  timeout: "connectTimeout",
  password: "privateKeyFile",
  restrict_room_creation: "creators",
  bastion: "jump",
  token: "apiToken",
  ns: "nameServer",
  tsig: "key",
  proxyJump: "jump",
};

/** What is not wanted, and why; some only below another option. */
const needless: Readonly<Record<string, string>> = {
  "jump.sudo": "a jump host needs no rights of root; leave it out",
  "jump.jump": "there is one jump host at most; leave it out",
  servers: "servers have no servers of their own; leave it out",
  xmpp: "what was below xmpp stands beside it now: prosody:jids, prosody:ports and so on",
  assembled: "the chain is put together on the host; leave it out",
  user_may_read: "Prosody may read its keys by itself; leave it out",
  secure:
    "only the stack config for which this was encrypted can have it; set it anew with pulumi config set --path --secret",
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
  const section = ([top]: readonly PropertyKey[]) => sections.indexOf(String(top)) + 1 || sections.length + 1;
  const servers = Object.keys(isMap(raw.servers) ? raw.servers : {});
  const rank = ({ code, path }: z.core.$ZodIssue): number => {
    if (path[0] !== "servers" || path.length < 2) return section(path);
    const ofEntry = path.length === 2 && code !== "unrecognized_keys" ? 0 : section(ofServer(path));
    return 1000 * (servers.indexOf(String(path[1])) + 1) + ofEntry;
  };
  const sorted = [...issues].sort((a, b) => rank(a) - rank(b));
  const problems = sorted.flatMap((issue): Problem[] => {
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => unknownOption([...issue.path, key], schema));
    if (issue.code === "custom" && issue.params?.elsewhere)
      return [{ option: issue.params.elsewhere as string, message: issue.message }];
    const path = asWritten(issue.path, raw);
    const option = optionPath(path);
    if (issue.code === "invalid_key") return issue.issues.map(({ message }) => ({ option, message }));
    const value = valueAt(raw, path);
    const [top, ...below] = ofServer(path);
    const state = top === "jids" && below.length === 1 ? undefined : stateOf(value, issue);
    if (state !== undefined) return [{ option, message: state + issue.message }];
    if (encrypted.has(String(path[0])) || isSecret(path, schema))
      return [{ option, message: without(value, issue.message) }];
    return [{ option, value: show(value), message: issue.message }];
  });
  const unique = new Map(problems.map((problem) => [line(problem), problem]));
  return [...unique.values()];
}

/** The part of a path that is the same for a server of its own and for one of several. */
function ofServer(path: readonly PropertyKey[]): readonly PropertyKey[] {
  return path[0] === "servers" ? path.slice(2) : path;
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
  const parent = schemaAt(schema, path.slice(0, -1)).at(-1)!;
  const [top] = /^\w+(?=[.[])/.exec(key) ?? [];
  if (path.length === 1 && top !== undefined && Object.hasOwn(schema.properties ?? {}, top))
    return {
      option: optionPath(path),
      message: `it was set without --path, so that it is no part of ${top}. Take it back by pulumi config rm '${key}', and set it with --path`,
    };
  const known = formsOf(parent).flatMap(({ properties }) => Object.keys(properties ?? {}));
  const advice = entry(needless, path.slice(-2).join(".")) ?? entry(needless, key);
  const former = entry(formerly, key);
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
    if (Array.isArray(value) && typeof key !== "number") break;
    if (value === null && ofServer(written)[0] === "jids") break;
    written.push(key);
    value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  }
  return written;
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key],
    raw,
  );
}

/** What is to be said of a value that is none; `undefined` for one that can be shown. */
function stateOf(value: unknown, { code, message }: z.core.$ZodIssue): string | undefined {
  if (value === undefined) return code === "custom" ? "" : "is missing; "; // a default may clash with other values
  if (value === null || value === "") return message.includes("empty") ? "" : "is empty; ";
  return undefined;
}

/** The schemas from the top down to a place; several where a value may have one of several forms. */
function schemaAt(schema: JsonSchema, path: readonly PropertyKey[]): JsonSchema[] {
  const found = [schema];
  for (const key of path) {
    const next = formsOf(found.at(-1)!)
      .map((form) =>
        typeof key === "number" ? form.items : (form.properties?.[String(key)] ?? form.additionalProperties),
      )
      .find((child) => child !== undefined && child !== false);
    if (!next) break;
    found.push(next);
  }
  return found;
}

function formsOf(schema: JsonSchema): JsonSchema[] {
  return [schema, ...(schema.anyOf ?? [])];
}

function entry(table: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

/** The nearest mark decides, from the value upwards. */
function isSecret(path: readonly PropertyKey[], schema: JsonSchema): boolean {
  return schemaAt(schema, path).findLast(({ secret }) => secret !== undefined)?.secret ?? false;
}

/** A message may repeat the value, as the name of a file that is not there. */
function without(value: unknown, message: string): string {
  const text = typeof value === "string" || typeof value === "number" ? String(value) : "";
  return text.length > 3 ? message.replaceAll(text, "[secret]") : message;
}

/** Only what is short and can't be a key that went astray; without the credentials of a URL. */
function show(value: unknown): string | undefined {
  if (isMap(value) || Array.isArray(value)) return undefined;
  const text = JSON.stringify(value)?.replace(/:\/\/.*@/, "://[secret]@");
  return text === undefined || text.length > 80 || /\\n|-----BEGIN/.test(text) ? undefined : text;
}

import { z } from "zod";
import type { Environment } from "./environment";
import { type JsonSchema, type Problem, problemsFrom } from "./problems";
import { schema, sections, surroundings } from "./schema";
import { clashes, type Entry, entriesOf, relocate, serversMeta } from "./servers";
import type { Server, Settings } from "./settings";
import { sharedAddresses, warningsFor } from "./warnings";

/** What a stack config comes to: settings, or problems. */
type Parsed =
  | { settings: Settings; problems: [] }
  | { settings: undefined; problems: [Problem, ...Problem[]] };

/**
 * Validates a stack config and fills in its defaults. Pure but for the files that it names.
 *
 * @param raw option (without `prosody:`) → value, see {@link decode}
 * @param encrypted options that hold a secret somewhere, as Pulumi tells
 */
export function parse(
  raw: Record<string, unknown>,
  env: Environment,
  encrypted: ReadonlySet<string> = new Set(),
): Parsed {
  const { entries, issues } = entriesOf(raw, encrypted);
  const servers: Server[] = [];
  for (const entry of entries) {
    const { data, error } = serverSchema(entry, env).safeParse(entry.raw);
    if (data) servers.push({ ...data, name: entry.name });
    else issues.push(...error.issues.flatMap((issue) => relocate(issue, entry)));
  }
  issues.push(...clashes(entries, servers));
  if (issues.length > 0)
    return {
      settings: undefined,
      problems: problemsFrom(issues, raw, jsonSchema(env), encrypted) as [Problem],
    };
  const warnings = [
    ...servers.flatMap((server, index) => warningsFor(server, entries[index]!, env)),
    ...sharedAddresses(servers, entries),
  ];
  return { settings: { servers, warnings: [...new Set(warnings)] }, problems: [] };
}

/**
 * One option alone, by name of the server, for the process that connects to what it says.
 * @param raw that option and `servers`, as {@link decode} makes them
 */
export function parseOption<Option extends keyof typeof sections>(
  option: Option,
  raw: Record<string, unknown>,
  env: Environment,
): { found: Map<string, Output<Option>>; problems: Problem[] } {
  // Nothing here tells which options are encrypted, so no value is shown.
  const hidden = new Set([option, "servers"]);
  const { entries, issues } = entriesOf(raw, hidden);
  const found = new Map<string, Output<Option>>();
  for (const entry of entries) {
    const section = sections[option](surroundings(entry.raw, env, entry.encrypted));
    const { data, error } = section.safeParse(entry.raw[option]);
    if (data) found.set(entry.name, data as Output<Option>);
    else
      issues.push(
        ...error!.issues.flatMap((issue) => relocate({ ...issue, path: [option, ...issue.path] }, entry)),
      );
  }
  return { found, problems: issues.length > 0 ? problemsFrom(issues, raw, jsonSchema(env), hidden) : [] };
}

type Output<Option extends keyof typeof sections> = z.output<ReturnType<(typeof sections)[Option]>>;

const serverSchema = ({ raw, encrypted }: Pick<Entry, "raw" | "encrypted">, env: Environment) =>
  schema(surroundings(raw, env, encrypted));

/** The stack config as JSON Schema, with its descriptions and marks; it does not depend on surroundings. */
export function jsonSchema(env: Environment): JsonSchema {
  structure ??= withServers(
    z.toJSONSchema(serverSchema({ raw: {}, encrypted: new Set() }, env), {
      io: "input",
      unrepresentable: "any",
    }) as JsonSchema,
  );
  return structure;
}

let structure: JsonSchema | undefined;

function withServers(server: JsonSchema): JsonSchema {
  const servers = { ...serversMeta, additionalProperties: server };
  return { ...server, properties: { ...server.properties, servers } };
}

/**
 * A value of the stack config as Pulumi hands it over: lists and maps as JSON, all else as plain text. `undefined`
 * for an option that is not set, or is set to nothing.
 */
export function decode(text: string | undefined): unknown {
  if (text === undefined || text === "") return undefined;
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text; // an address such as [::1]
  }
}

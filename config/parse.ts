import { z } from "zod";
import type { Environment } from "./environment";
import { type JsonSchema, type Problem, problemsFrom } from "./problems";
import { schema, surroundings } from "./schema";
import { defaultServer, type HostSettings, type Settings } from "./settings";
import { warningsFor } from "./warnings";

/** What a stack config comes to: settings, or problems. */
export type Parsed =
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
  const checks = schema(surroundings(raw, env, encrypted));
  const { data, error } = checks.safeParse(raw);
  if (data)
    return { settings: { servers: [data], warnings: warningsFor(data, raw, env, encrypted) }, problems: [] };
  return {
    settings: undefined,
    problems: problemsFrom(error.issues, raw, jsonSchema(checks), encrypted) as [Problem],
  };
}

/**
 * The hosts alone, by name of their server, for the process that connects to them.
 * @param config of the provider: full keys (`prosody:host`), values as {@link decode} takes them
 * @throws Error with every problem of the hosts
 */
export function parseHost(
  raw: Record<string, unknown>,
  env: Environment,
): { hosts: Map<string, HostSettings>; problems: Problem[] } {
  const checks = schema(surroundings(raw, env, new Set()));
  const { data, error } = z.object({ host: checks.in.shape.host }).safeParse(raw);
  if (data) return { hosts: new Map([[defaultServer, data.host]]), problems: [] };
  // Nothing here tells which options are encrypted, so no value is shown.
  return {
    hosts: new Map(),
    problems: problemsFrom(error.issues, raw, jsonSchema(checks), new Set(["host"])),
  };
}

/** The input of the schema as JSON Schema, with its descriptions and marks; it does not depend on surroundings. */
export function jsonSchema(checks: ReturnType<typeof schema>): JsonSchema {
  structure ??= z.toJSONSchema(checks, { io: "input", unrepresentable: "any" }) as JsonSchema;
  return structure;
}

let structure: JsonSchema | undefined;

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

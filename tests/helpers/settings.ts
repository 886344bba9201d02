import { parse } from "../../config/parse";
import { Secret } from "../../config/secret";
import type { Server, Settings } from "../../config/settings";
import { environment } from "../fixtures/bad-configs/base";

/**
 * What a stack config without a mistake comes to.
 * @param encrypted top-level options with an encrypted value
 */
export function parsed(
  config: Record<string, unknown>,
  encrypted: string[] = [],
  env = environment,
): Settings {
  const { settings, problems } = parse(config, env, new Set(encrypted));
  expect(problems).toEqual([]);
  return settings!;
}

/** The server, where it is the only one. */
export const server = (...config: Parameters<typeof parsed>): Server => parsed(...config).servers[0]!;

/** Secrets compare as equal whatever they hold, so tests look into them. */
export const revealed = (value: unknown): unknown => {
  if (value instanceof Secret) return { secret: value.reveal() };
  if (Array.isArray(value)) return value.map(revealed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revealed(inner)]));
};

import { Secret } from "../config/secret";
import { run } from "../lab/command";
import type { StackPlace } from "./stack";

/** A value of the stack config that has no parts, by the path that `pulumi config set --path` wants. */
export type Leaf = readonly [path: string, value: string | Secret];

/** Paths and texts of all values below one; what is empty is set to nothing. */
export function* leaves(path: string, value: unknown): Generator<Leaf> {
  if (value instanceof Secret) yield [path, value];
  else if (typeof value !== "object" || value === null) yield [path, value === null ? "" : String(value)];
  else
    for (const [key, item] of Object.entries(value))
      yield* leaves(`${path}[${Array.isArray(value) ? key : JSON.stringify(key)}]`, item);
}

/**
 * Sets options of a stack one after the other, secrets encrypted. Values go through standard input, so that no
 * process list has them.
 * @throws Error with what Pulumi says when it refuses one
 */
export async function setOptions(
  { bin, env, cwd, name }: StackPlace,
  options: Iterable<Leaf>,
): Promise<void> {
  for (const [path, value] of options) {
    const [kind, input] = value instanceof Secret ? ["--secret", value.reveal()] : ["--plaintext", value];
    const args = ["config", "set", "--stack", name, "--path", kind, path, "--non-interactive"];
    await run(bin, args, { cwd, env, input });
  }
}

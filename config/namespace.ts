import type { Environment } from "./environment";
import { jsonSchema } from "./parse";
import type { Problem } from "./problems";
import { closest } from "./words";

/** The name in Pulumi.yaml. */
export const project = "prosody";

/** What stands before each option in the stack config. */
export const namespace = `${project}:`;

/**
 * Options in a namespace that is almost ours; Pulumi takes any, and nobody would read them.
 * @param keys of the whole stack config, such as `prosody:host`
 */
export function misspelt(keys: readonly string[], env: Environment): Problem[] {
  const options = Object.keys(jsonSchema(env).properties!);
  return keys.flatMap((key) => {
    const [space = "", name = ""] = key.split(":");
    const meant = closest(name, options);
    if (space === project || !closest(space, [project]) || !meant) return [];
    return [{ option: key, message: `there is no such option; did you mean ${namespace}${meant}?` }];
  });
}

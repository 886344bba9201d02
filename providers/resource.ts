import * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";

/** Inputs as a Pulumi program passes them: each may be an output of another resource. */
export type InputsOf<T> = { [K in keyof T]: pulumi.Input<T[K]> };

/**
 * The one Pulumi resource class: an object on a host, handled in the provider process by the handler of its kind.
 *
 * Pulumi's own `dynamic.Resource` stores the serialised code of its provider in the state and runs that for read
 * and delete. Here `__provider` is one short constant per kind that requires the current code: an edit of the
 * code is no diff, and never runs stale. This relies on the protocol of the dynamic provider (the string must
 * export `handler`); tests/integration pins it against the real engine.
 */
export abstract class ProsodyResource<Inputs extends Common> extends pulumi.CustomResource {
  /**
   * @param kind name of the handler in `handlers/`, and of the resource's type
   * @param secrets names of outputs that the engine must encrypt in the state
   */
  protected constructor(
    kind: string,
    name: string,
    inputs: InputsOf<Inputs>,
    outputs: readonly string[],
    secrets: readonly string[],
    options?: pulumi.CustomResourceOptions,
  ) {
    const unset = Object.fromEntries(outputs.map((output) => [output, undefined]));
    super(
      `pulumi-nodejs:prosody:${kind}`,
      name,
      { ...unset, ...inputs, __provider: trampoline(kind) },
      // An object that was adopted as its own replacement would be deleted as the former one, a user's account among
      // them. Here, since of what `--replace` asks for the engine asks no handler.
      { deleteBeforeReplace: true, ...options, additionalSecretOutputs: [...secrets] },
    );
  }
}

/** Relative to the directory of Pulumi.yaml's `main`, which is the provider's working directory. */
export function trampoline(kind: string): string {
  return `exports.handler=()=>require("./tools/fresh.cjs").load("providers/dispatch").provider("${kind}")`;
}

import type { Handler } from "../handler";

/** Every resource kind, by the name in its type `pulumi-nodejs:prosody:<kind>`. */
// biome-ignore lint/suspicious/noExplicitAny: each kind has its own inputs; the engine hands over plain objects.
export const handlers: Record<string, Handler<any, any>> = {};

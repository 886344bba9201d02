import type { Handler } from "../handler";
import { accountHandler } from "./account";
import { certificateHandler } from "./certificate";
import { configurationHandler } from "./configuration";
import { packageHandler } from "./package";
import { serviceHandler } from "./service";

/** Every resource kind, by the name in its type `pulumi-nodejs:prosody:<kind>`. */
// biome-ignore lint/suspicious/noExplicitAny: each kind has its own inputs; the engine hands over plain objects.
export const handlers: Record<string, Handler<any, any>> = {
  Account: accountHandler,
  Certificate: certificateHandler,
  Configuration: configurationHandler,
  Package: packageHandler,
  Service: serviceHandler,
};

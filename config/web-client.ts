import { createHash } from "node:crypto";
import type { z } from "zod";
import { flag, isMap } from "./parts";
import { refuse } from "./refused";

/** The client that servers offer: a package of the npm registry, and what of it goes to a host. */
const wanted = {
  package: "converse.js@14.0.0",
  /** Of the package's archive, as `npm view converse.js@14.0.0 dist.integrity` says it. */
  integrity:
    "sha512-LFUg030jDalV47vI/vyVPqYPZfJYXFbubq8v0cFDe2zXNeeGEk3Up0Fj/WTzT6t+6do+cAIToy73eAj7RNDj2Q==",
  parts: ["package/dist", "package/LICENSE"],
  /** What no browser asks for: sources for debuggers, and files that are there in a smaller form, too. */
  without: ["*.map", "package/dist/website*", "package/dist/converse.js", "package/dist/converse.css"],
};

const digest = createHash("sha256").update(JSON.stringify(wanted)).digest("hex").slice(0, 8);

/** The same, with its place on a host: another version, or other parts of it, have another one. */
export const webClientFiles = {
  ...wanted,
  path: `/usr/local/lib/prosody-pulumi/${wanted.package.replace("@", "-")}-${digest}`,
};

/** Whether people can use the server in a browser. */
export const webClient = () =>
  flag().prefault(false).meta({
    description:
      "A client in the browser, Converse.js, for the accounts of each virtual host: `https://DOMAIN:5281/chat/`, by `ports.https`. Prosody serves it, no other server is involved, and it stays on the version that this program pins.",
    example: "webClient: true",
  });

/** Options of Prosody that `webClient` sets. */
const own = ["web_client_dir", "web_client_uploads"];

type Given = Partial<Record<"webClient" | "ports" | "disabledModules" | "options", unknown>>;

/** The web client against what it needs; any of them may have problems of its own. */
export function checkWebClient(
  { webClient, ports, disabledModules, options }: Given,
  ctx: z.RefinementCtx,
): void {
  if (webClient !== true) return;
  if (isMap(ports) && ports.https === false)
    refuse(
      ctx,
      "it is served over prosody:ports.https, which is false; give it a port, or leave webClient out",
      ["webClient"],
    );
  if (Array.isArray(disabledModules) && disabledModules.some((name) => /^(mod_)?websocket$/.test(name)))
    refuse(
      ctx,
      "it connects by the module websocket, which prosody:disabledModules takes out; decide for one",
      ["webClient"],
    );
  for (const name of own)
    if (isMap(options) && name in options)
      refuse(ctx, "prosody:webClient sets it; leave one of them out", ["options", name]);
}

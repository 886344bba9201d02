import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { releases } from "./release";
import { resolveModules } from "./resolve-modules";
import { root } from "./root";
import type { Server } from "./settings";

/** The modules of this program that a server loads; the same on every release. */
interface OwnModules {
  modules: string[];
  /** A plugin directory on the host, in which nothing else is; "" where there are no modules. */
  path: string;
  /** Path below `path` → content. */
  files: Record<string, string>;
}

/** What `modules/` has of a server's modules, and where it goes. */
export function ownModules(server: Server): OwnModules {
  const modules = resolveModules(server, releases[0]!).own;
  const files = Object.fromEntries(modules.flatMap(filesOf).sort());
  const digest = createHash("sha256").update(JSON.stringify(files)).digest("hex").slice(0, 8);
  return { modules, files, path: modules.length > 0 ? `/usr/local/lib/prosody-pulumi/own-${digest}` : "" };
}

function filesOf(module: string): [string, string][] {
  const name = `mod_${module}`;
  const directory = path.join(root, "modules", name);
  const own = readdirSync(directory).map((file): [string, string] => [
    `${name}/${file}`,
    readFileSync(path.join(directory, file), "utf8"),
  ]);
  return module === "invitation_page" ? [...own, [`${name}/uqr.mjs`, qrCodes()]] : own;
}

/** The library that draws QR codes in the browser. */
function qrCodes(): string {
  return readFileSync(path.join(path.dirname(require.resolve("uqr")), "index.mjs"), "utf8");
}

import { resolve } from "node:path";

/** The clone's directory; the compiled tools lie in its bin/tools. */
export const root = resolve(__dirname, __filename.endsWith(".ts") ? ".." : "../..");

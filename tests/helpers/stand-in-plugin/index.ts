import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/**
 * Puts a stand-in for the plugin of a provider before everything else on PATH, where the engine takes it from:
 * `NAME.cjs` beside this file instead of the plugin that the engine would download. To be called before the first
 * run of a stack; ends with the test file.
 * @returns a function that forgets it
 */
export function standIn(name: "command"): () => void {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-plugin-"));
  const script = `#!/bin/sh\nexec '${process.execPath}' '${path.join(__dirname, `${name}.cjs`)}' "$@"\n`;
  fs.writeFileSync(path.join(directory, `pulumi-resource-${name}`), script, { mode: 0o755 });
  const before = process.env.PATH;
  process.env.PATH = `${directory}${path.delimiter}${before}`;
  return () => {
    process.env.PATH = before;
    fs.rmSync(directory, { recursive: true });
  };
}

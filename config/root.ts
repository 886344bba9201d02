import fs from "node:fs";
import path from "node:path";

/** Directory of Pulumi.yaml: what relative paths of the stack config, and the program's own files, start from. */
export const root = findRoot(__dirname);

function findRoot(directory: string): string {
  if (fs.existsSync(path.join(directory, "Pulumi.yaml"))) return directory;
  const parent = path.dirname(directory);
  if (parent === directory) throw new Error(`No Pulumi.yaml in or above ${__dirname}.`);
  return findRoot(parent);
}

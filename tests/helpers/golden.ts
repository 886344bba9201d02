import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const directory = path.join(__dirname, "../fixtures/golden");

/**
 * Expects a text to be that of a file in `tests/fixtures/golden`. With `UPDATE_GOLDEN=1` in the environment the file
 * is written instead; read its diff before you commit it.
 */
export function expectGolden(file: string, text: string): void {
  const golden = path.join(directory, file);
  if (process.env.UPDATE_GOLDEN === "1") {
    mkdirSync(path.dirname(golden), { recursive: true });
    writeFileSync(golden, text);
  }
  expect(text).toBe(readFileSync(golden, "utf8"));
}

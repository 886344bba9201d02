import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { npmPackage } from "../../../providers/npm-package";

/** A package of this machine: npm packs it as it would one of a registry. */
const own = mkdtempSync(path.join(tmpdir(), "prosody-package-"));
writeFileSync(path.join(own, "package.json"), '{ "name": "demo", "version": "1.0.0" }');

afterAll(() => rmSync(own, { recursive: true }));

const hash = (bytes: Buffer | string) => `sha512-${createHash("sha512").update(bytes).digest("base64")}`;

test("an archive with another hash is refused, and said to be; the pinned one is handed over", async () => {
  const refused = await npmPackage(own, hash("other")).catch((error: Error) => error.message);
  expect(refused).toMatch(
    /is not the pinned one: its hash is sha512-.*, not sha512-.*Nothing of it was used/,
  );
  const actual = /its hash is (\S+),/.exec(String(refused))![1]!;
  expect(hash(await npmPackage(own, actual))).toBe(actual);
}, 60_000);

test("what npm says is told where there is no such package", async () => {
  const nowhere = path.join(own, "nowhere");
  await expect(npmPackage(nowhere, "")).rejects.toThrow(
    new RegExp(`^npm can't fetch ${nowhere} \\(\\d+.*\\)\\. Does this machine reach its registry\\?`, "s"),
  );
}, 60_000);

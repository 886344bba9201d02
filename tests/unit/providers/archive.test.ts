import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pack } from "../../../providers/archive";

let scratch: string;
beforeAll(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-pack-"));
  fs.writeFileSync(path.join(scratch, "a file"), "x");
});
afterAll(() => fs.rmSync(scratch, { recursive: true }));

const packing = (...names: string[]) =>
  spawnSync("sh", ["-euc", `${pack}cd "$1"; shift; pack an.tar.gz -- "$@"`, "sh", scratch, ...names], {
    encoding: "utf8",
  });

test("an archive that can't be made whole leaves none", () => {
  expect(packing("a file", "missing").status).not.toBe(0);
  expect(fs.readdirSync(scratch)).toEqual(["a file"]);
});

test("one that is whole has its name, and nothing else is left", () => {
  expect(packing("a file")).toMatchObject({ status: 0, stderr: "" });
  expect(fs.readdirSync(scratch).sort()).toEqual(["a file", "an.tar.gz"]);
  const listed = spawnSync("tar", ["-tzf", path.join(scratch, "an.tar.gz")], { encoding: "utf8" });
  expect(listed.stdout).toBe("a file\n");
});

test("what a run that was killed has left goes; what another one writes stays", () => {
  for (const name of ["old.part", "new.part"]) fs.writeFileSync(path.join(scratch, name), "x");
  const before = Date.now() / 1000 - 2 * 3600;
  fs.utimesSync(path.join(scratch, "old.part"), before, before);
  expect(packing("a file").status).toBe(0);
  expect(fs.readdirSync(scratch).sort()).toEqual(["a file", "an.tar.gz", "new.part"]);
});

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A clone with a lock file, and an `npm` that notes how it was called. */
let clone: string;
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), "prosody-clone-"));
  mkdirSync(join(clone, "tools"));
  cpSync(join(__dirname, "../../../tools/install.cjs"), join(clone, "tools/install.cjs"));
  mkdirSync(join(clone, "path"));
  writeFileSync(join(clone, "path/npm"), '#!/bin/sh\necho "$@" > called\n[ ! -e fail ]\n');
  chmodSync(join(clone, "path/npm"), 0o755);
  lock("package-lock.json", {
    "": { version: "9" },
    "node_modules/a": { version: "1.0.0" },
    "node_modules/other-platform": { version: "1.0.0", optional: true },
  });
});
afterEach(() => rmSync(clone, { recursive: true }));

function lock(file: string, packages: object) {
  mkdirSync(join(clone, "node_modules"), { recursive: true });
  writeFileSync(join(clone, file), JSON.stringify({ packages }));
}

function install() {
  const { status, stderr } = spawnSync(process.execPath, [join(clone, "tools/install.cjs")], {
    env: { ...process.env, PATH: `${join(clone, "path")}:/usr/bin:/bin` },
    encoding: "utf8",
  });
  return { status, stderr, ranNpm: existsSync(join(clone, "called")) };
}

test("a fresh clone gets its dependencies", () => {
  rmSync(join(clone, "node_modules"), { recursive: true });
  expect(install()).toEqual({ status: 0, stderr: "Installing dependencies (npm ci)\n", ranNpm: true });
});

test("dependencies that fit the lock file are left alone", () => {
  lock("node_modules/.package-lock.json", { "node_modules/a": { version: "1.0.0" } });
  expect(install()).toEqual({ status: 0, stderr: "", ranNpm: false });
});

test.each([
  ["an older version", { "node_modules/a": { version: "0.9.0" } }],
  ["none of a package", {}],
  [
    "an optional package of another version",
    { "node_modules/a": { version: "1.0.0" }, "node_modules/other-platform": { version: "0.9.0" } },
  ],
])("dependencies with %s are installed again", (_what, packages) => {
  lock("node_modules/.package-lock.json", packages);
  expect(install()).toMatchObject({ status: 0, ranNpm: true });
});

test("a linked node_modules is left alone", () => {
  rmSync(join(clone, "node_modules"), { recursive: true });
  symlinkSync("/nonesuch", join(clone, "node_modules"));
  expect(install()).toEqual({ status: 0, stderr: "", ranNpm: false });
});

test("npm's failure is ours", () => {
  writeFileSync(join(clone, "fail"), "");
  expect(install()).toMatchObject({ status: 1, stderr: expect.stringContaining("npm ci failed") });
});

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { archiveDirectory } from "../../../../providers/archive";
import { move } from "../../../../providers/configuration/migration";
import {
  archive,
  directory,
  lockFile,
  settle,
  stage,
  swap,
} from "../../../../providers/configuration/scripts";

/** Files of Prosody and archives in a directory of the test's, and programs that do nothing. */
let scratch: string;
const at = (name: string) => path.join(scratch, name);
const write = (name: string, text = "") => {
  fs.mkdirSync(path.dirname(at(name)), { recursive: true });
  fs.writeFileSync(at(name), text);
};
const program = (name: string, text = ":") => {
  write(`bin/${name}`, `#!/bin/sh\n${text}\n`);
  fs.chmodSync(at(`bin/${name}`), 0o755);
};

beforeEach(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-scripts-"));
  for (const name of ["systemctl", "systemd-run", "chgrp", "chown", "flock"]) program(name);
  fs.mkdirSync(at("etc"));
});
afterEach(() => fs.rmSync(scratch, { recursive: true }));

/** @param room blocks of 512 bytes that a file may have, as on a disk that is full then */
function run(script: string, input: string, room = "unlimited") {
  const here = script
    .replaceAll(archiveDirectory, at("backups"))
    .replaceAll(directory, at("etc"))
    .replaceAll(lockFile, at("lock"))
    .replaceAll("etc/prosody/", "etc/")
    .replaceAll("-C / ", `-C ${scratch} `);
  return spawnSync("sh", ["-c", `trap '' XFSZ; ulimit -f ${room}; ${here}`], {
    encoding: "utf8",
    input,
    env: { ...process.env, PATH: `${at("bin")}:${process.env.PATH}` },
  });
}

describe("a full disk", () => {
  test("does not make forget which files were not there before the stack", () => {
    write("backups/original/absent", "one.cfg.lua\ntwo.cfg.lua\n");
    expect(run(settle, "done\ndrop one.cfg.lua\n", "0").status).not.toBe(0);
    expect(fs.readFileSync(at("backups/original/absent"), "utf8")).toBe("one.cfg.lua\ntwo.cfg.lua\n");
    expect(run(settle, "done\ndrop one.cfg.lua\n").status).toBe(0);
    expect(fs.readFileSync(at("backups/original/absent"), "utf8")).toBe("two.cfg.lua\n");
    expect(run(settle, "done\ndrop two.cfg.lua\n").status).toBe(0);
    expect(fs.existsSync(at("backups/original"))).toBe(false);
  });

  test("does not end a change whose new file can't be noted as one", () => {
    fs.mkdirSync(at("etc/.previous"));
    expect(run(settle, "done\nput one.cfg.lua\n", "0").status).not.toBe(0);
    expect(fs.existsSync(at("etc/.previous"))).toBe(true);
  });

  test("leaves no archive without some of the files that go", () => {
    // Lines of 128 bytes: four of them fit.
    const names = ["a", "b", "c", "d", "e", "f"].map((letter) => letter.padEnd(123, "x"));
    for (const name of names) write(`etc/${name}`);
    write("backups/original/absent");
    const input = names.map((name) => `${name}\n`).join("");
    expect(run(archive, input, "1").stdout).toBe("");
    expect(run(archive, input)).toMatchObject({ status: 0, stderr: "" });
  });
});

test("a candidate that lacks a file of the live configuration is none", () => {
  write("etc/other.cfg.lua");
  write("etc/certs/example.test.crt");
  expect(run(stage, "end\n")).toMatchObject({ status: 0, stderr: "" });
  expect(fs.readdirSync(at("etc/.staged")).sort()).toEqual(["certs", "other.cfg.lua"]);
  program("ln", "case $2 in */certs) exit 1; esac");
  expect(run(stage, "end\n").status).toBe(1);
});

test("a file that can't be removed is not taken for removed", () => {
  for (const name of ["etc/one.cfg.lua", "etc/.staged/two.cfg.lua"]) write(name);
  program("rm", 'case "$*" in *one.cfg.lua) exit 1;; esac; exec /bin/rm "$@"');
  expect(run(swap, "active\ndrop one.cfg.lua\nput two.cfg.lua\n").status).toBe(1);
});

test("no database is emptied while it is not known which are this program's", () => {
  write("etc/prosody.cfg.lua");
  program(
    "storage",
    `case $2:$3 in
      places:*staged*) echo "base ${at("data")}"; echo "sql PostgreSQL mine";;
      places:*) echo "base ${at("data")}"; echo internal;;
      probe:*) echo "holds 5 sql PostgreSQL mine";;
      export:*) echo "data digest 1 2 3 4";;
      clear:*) touch ${at("cleared")};;
    esac`,
  );
  program("prosodyctl");
  fs.writeFileSync(at("bin/prosodyctl"), `#!${at("bin/storage")}\n`);
  program("install", 'for last; do :; done; mkdir -p "$last"');
  fs.mkdirSync(at("data"));
  expect(run(move, "")).toMatchObject({ status: 81, stderr: expect.stringContaining("is not empty") });
  fs.rmSync(at("backups/filled-databases"));
  fs.symlinkSync(at("nowhere/filled-databases"), at("backups/filled-databases"));
  const { stderr } = run(move, "");
  expect(fs.existsSync(at("cleared"))).toBe(false);
  expect(stderr).toContain("it can't be noted which databases this program fills");
});

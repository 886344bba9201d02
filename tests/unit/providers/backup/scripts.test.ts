import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { place } from "../../../../providers/backup/scripts";

test("a restore that is cut off while it puts aside what is there deletes none of it", () => {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-place-"));
  const data = path.join(scratch, "data");
  const programs = path.join(scratch, "bin");
  const program = (name: string, text: string) =>
    fs.writeFileSync(path.join(programs, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  try {
    for (const host of ["one", "two", ".prosody-pulumi-restore/data/one"])
      fs.mkdirSync(path.join(data, host), { recursive: true });
    fs.writeFileSync(path.join(data, "one/mine"), "");
    fs.writeFileSync(path.join(data, "two/mine"), "");
    fs.mkdirSync(programs);
    program("systemctl", "echo 0");
    // Only the first of its files is moved, at the first call.
    program(
      "mv",
      `[ -e ${scratch}/called ] && exec /bin/mv "$@"; touch ${scratch}/called; /bin/mv "$1" "$2" "$3"; exit 1`,
    );
    const { status } = spawnSync("sh", ["-c", place(data)], {
      env: { ...process.env, PATH: `${programs}:${process.env.PATH}` },
    });
    expect(status).not.toBe(0);
    expect(fs.readdirSync(data, { recursive: true }).sort()).toEqual(["one", "one/mine", "two", "two/mine"]);
  } finally {
    fs.rmSync(scratch, { recursive: true });
  }
});

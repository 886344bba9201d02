import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { archiveDirectory as archives } from "../../../../providers/archive";
import { collect, place, receive } from "../../../../providers/backup/scripts";
import { lockFile } from "../../../../providers/configuration/scripts";

/** With its lock beside the data. */
function locked(script: string, data: string): string {
  expect(script).toContain(lockFile);
  return script.replaceAll(lockFile, path.join(path.dirname(data), "lock"));
}

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
    const { status } = spawnSync("sh", ["-c", locked(place(data), data)], {
      env: { ...process.env, LC_ALL: "C", PATH: `${programs}:${process.env.PATH}` },
    });
    expect(status).not.toBe(0);
    expect(fs.readdirSync(data, { recursive: true }).sort()).toEqual(["one", "one/mine", "two", "two/mine"]);
  } finally {
    fs.rmSync(scratch, { recursive: true });
  }
});

describe("a restore", () => {
  let scratch: string;
  const at = (name: string) => path.join(scratch, name);
  const write = (name: string, text: string, mode = 0o644) => {
    fs.mkdirSync(path.dirname(at(name)), { recursive: true });
    fs.writeFileSync(at(name), text, { mode });
  };
  const program = (name: string, text: string) => write(`bin/${name}`, `#!/bin/sh\n${text}\n`, 0o755);
  /** Files below the data directory, with what is in them. */
  const kept = () =>
    Object.fromEntries(
      fs
        .readdirSync(at("data"), { recursive: true, encoding: "utf8" })
        .filter((name) => fs.statSync(at(`data/${name}`)).isFile())
        .map((name) => [name, fs.readFileSync(at(`data/${name}`), "utf8")]),
    );
  const run = () => {
    const script = locked(place(at("data")), at("data")).replaceAll(archives, at("archives"));
    const env = { ...process.env, LC_ALL: "C", PATH: `${at("bin")}:${process.env.PATH}` };
    const { status, stderr } = spawnSync("sh", ["-c", script], { env, encoding: "utf8" });
    const started =
      fs.existsSync(at("systemctl")) && fs.readFileSync(at("systemctl"), "utf8").includes("start prosody\n");
    return { status, stderr, started };
  };

  beforeEach(() => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-place-"));
    write("data/one/a", "mine");
    write("data/two/a", "mine");
    write("data/.prosody-pulumi-restore/data/one/a", "backup");
    program(
      "systemctl",
      `echo "$@" >> ${at("systemctl")}; [ $1 != is-active ] || echo active; [ $1 != show ] || echo 0`,
    );
    program("chown", "");
  });
  afterEach(() => fs.rmSync(scratch, { recursive: true }));

  test("puts the backup in the place of what is there", () => {
    expect(run()).toEqual({ status: 0, stderr: expect.stringMatching(/^outage \d+\n$/), started: true });
    expect(kept()).toEqual({ "one/a": "backup" });
  });

  test("takes no other directory for what it has received, and no file for an archive but those of accounts", () => {
    write("data/.prosody-pulumi-restore/archives/storage-copy", "/srv");
    write("data/.prosody-pulumi-restore/archives/a@example.com-1.tar.gz", "a");
    fs.renameSync(at("data/.prosody-pulumi-restore"), at("elsewhere"));
    fs.symlinkSync(at("elsewhere"), at("data/.prosody-pulumi-restore"));
    expect(run()).toEqual({
      status: 1,
      stderr: `somebody has replaced ${at("data")}/.prosody-pulumi-restore meanwhile\n`,
      started: false,
    });
    expect(kept()).toMatchObject({ "one/a": "mine", "two/a": "mine" });
    expect(fs.readFileSync(at("elsewhere/data/one/a"), "utf8")).toBe("backup");
    fs.unlinkSync(at("data/.prosody-pulumi-restore"));
    fs.renameSync(at("elsewhere"), at("data/.prosody-pulumi-restore"));
    expect(run().status).toBe(0);
    expect(fs.readdirSync(at("archives"))).toEqual(["a@example.com-1.tar.gz"]);
  });

  test("that can't delete what was there keeps the backup's data, and says what is left", () => {
    program("rm", `[ "$1" = -rf ] || exec /bin/rm "$@"; /bin/rm -r "$2/former/one"; exit 1`);
    expect(run()).toEqual({
      status: 1,
      stderr: expect.stringContaining(
        `Delete ${at("data")}/.prosody-pulumi-restore, which could not be deleted; the backup's data is in place\n`,
      ),
      started: true,
    });
    expect(kept()).toEqual({ "one/a": "backup", ".prosody-pulumi-restore/former/two/a": "mine" });
  });

  test("that goes wrong with the backup in place brings back what was there, and Prosody", () => {
    program("chown", "exit 1");
    expect(run()).toEqual({ status: 1, stderr: "", started: true });
    expect(kept()).toEqual({ "one/a": "mine", "two/a": "mine" });
  });

  test("that is ended twice comes to the end of its way back", () => {
    const twice = "kill -TERM $(ps -o ppid= -p $PPID); sleep 0.2";
    program("chown", twice);
    program("mv", `case "$*" in *unplaced*) ${twice};; esac; exec /bin/mv "$@"`);
    expect(run()).toMatchObject({ status: 1, started: true });
    expect(kept()).toEqual({ "one/a": "mine", "two/a": "mine" });
  });

  test("that can't bring back what was there deletes nothing, and starts no server with half of it", () => {
    program("chown", "exit 1");
    program("mv", `case "$*" in *"-t . "*replaced*) /bin/mv -t . "$3"; exit 1;; esac; exec /bin/mv "$@"`);
    expect(run()).toEqual({
      status: 1,
      stderr: expect.stringContaining(
        `move the rest of it from ${at("data")}/.prosody-pulumi-restore/replaced to ${at("data")}, and start Prosody`,
      ),
      started: false,
    });
    expect(Object.values(kept()).sort()).toEqual(["backup", "mine", "mine"]);
  });
});

describe("what arrives for a restore", () => {
  let scratch: string;
  const at = (name: string) => path.join(scratch, name);
  const arrive = () => {
    const archive = spawnSync("tar", ["-cz", "-C", at("sent"), "."]).stdout;
    const env = { ...process.env, LC_ALL: "C", PATH: `${at("bin")}:${process.env.PATH}` };
    const script = locked(receive(at("data")), at("data"));
    const { status, stderr } = spawnSync("sh", ["-c", script], { input: archive, env, encoding: "utf8" });
    return { status, stderr };
  };

  beforeEach(() => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-receive-"));
    for (const name of ["data", "sent/data", "bin", "elsewhere"]) fs.mkdirSync(at(name), { recursive: true });
    fs.writeFileSync(at("sent/manifest.json"), "{}");
    fs.writeFileSync(at("sent/data/a"), "a");
    spawnSync("sh", ["-c", "find . -type f | xargs sha256sum > ../SHA256SUMS; mv ../SHA256SUMS ."], {
      cwd: at("sent"),
    });
  });
  afterEach(() => fs.rmSync(scratch, { recursive: true }));

  test("does not take the place of what a restore that did not end has put aside", () => {
    fs.mkdirSync(at("data/.prosody-pulumi-restore/replaced/mine"), { recursive: true });
    const aside = `${at("data")}/.prosody-pulumi-restore/replaced`;
    expect(arrive()).toEqual({
      status: 1,
      stderr: `${aside} has what a restore that did not end had put aside: move it to ${at("data")}, or delete it\n`,
    });
    expect(fs.readdirSync(aside)).toEqual(["mine"]);
  });

  test("is nothing but files", () => {
    expect(arrive()).toEqual({ status: 0, stderr: "" });
    fs.symlinkSync("/etc", at("sent/data/link"));
    expect(arrive()).toEqual({ status: 1, stderr: "the archive has other things than files\n" });
    expect(fs.readdirSync(at("data"))).toEqual([]);
  });

  test("is not written where a link leads that somebody puts in the place of its directory", () => {
    fs.writeFileSync(
      at("bin/mkdir"),
      `#!/bin/sh\n/bin/mkdir "$@"\nmv "$1" ${at("made")}\nln -s ${at("elsewhere")} "$1"\n`,
      { mode: 0o755 },
    );
    expect(arrive()).toEqual({
      status: 1,
      stderr: `somebody has replaced ${at("data")}/.prosody-pulumi-restore meanwhile\n`,
    });
    expect(fs.readdirSync(at("elsewhere"))).toEqual([]);
  });
});

test("a backup has the archives of deleted accounts, also where their directory is a link to another disk, and no copy of the data that a move has left", () => {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-collect-"));
  const at = (name: string) => path.join(scratch, name);
  try {
    const mine = "example%2etest/accounts";
    for (const name of [
      "data/stage/data",
      `data/${mine}`,
      `data/.prosody-pulumi-storage/${mine}`,
      "config",
      "disk",
    ])
      fs.mkdirSync(at(name), { recursive: true });
    for (const name of ["data/stage/manifest.json", "data/stage/.sqlite", "disk/a@example.com-1.tar.gz"])
      fs.writeFileSync(at(name), "");
    for (const name of [`data/${mine}/a.dat`, `data/.prosody-pulumi-storage/${mine}/a.dat`])
      fs.writeFileSync(at(name), "mine");
    // A line of its own, it would be the path of another file.
    fs.mkdirSync(path.dirname(at(`data/x\n${at("config/b.dat")}`)), { recursive: true });
    fs.writeFileSync(at(`data/x\n${at("config/b.dat")}`), "mine");
    fs.writeFileSync(at("config/b.dat"), "foreign");
    fs.symlinkSync(at("disk"), at("link"));
    const script = `exec 3>${at("backup.tar.gz")}\n${collect.replaceAll(archives, at("link"))}`;
    const env = {
      ...process.env,
      LC_ALL: "C",
      STAGE: at("data/stage"),
      DATA: at("data"),
      CONFIG: at("config"),
      STOP: "false",
    };
    const { status, stderr } = spawnSync("sh", ["-c", script], {
      env,
      cwd: at("data/stage"),
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.anything() });
    const listed = spawnSync("tar", ["-tzf", at("backup.tar.gz")], { encoding: "utf8" });
    expect(listed.stdout).toContain("archives/a@example.com-1.tar.gz");
    expect(listed.stdout.match(/.*a\.dat/g)).toEqual([`data/${mine}/a.dat`]);
    const read = spawnSync("tar", ["-xzOf", at("backup.tar.gz"), "data"], { encoding: "utf8" });
    expect(read.stdout).toBe("minemine");
  } finally {
    fs.rmSync(scratch, { recursive: true });
  }
});

describe("a full disk", () => {
  let scratch: string;
  const at = (name: string) => path.join(scratch, name);
  const write = (name: string, text = "") => {
    fs.mkdirSync(path.dirname(at(name)), { recursive: true });
    fs.writeFileSync(at(name), text);
  };
  /** A program that fails once, if it is called with such arguments. */
  const failing = (name: string, pattern: string, how: string) => {
    write(
      `bin/${name}`,
      `#!/bin/sh\ncase "$*" in ${pattern}) [ -e ${scratch}/failed ] || { touch ${scratch}/failed; ${how}; };; esac\nexec /bin/${name} "$@"\n`,
    );
    fs.chmodSync(at(`bin/${name}`), 0o755);
  };
  const run = (script: string, env = {}, cwd = scratch) =>
    spawnSync("sh", ["-c", script.replaceAll(archives, at("archives"))], {
      cwd,
      env: { ...process.env, LC_ALL: "C", PATH: `${at("bin")}:${process.env.PATH}`, ...env },
      encoding: "utf8",
    }).status;

  beforeEach(() => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-full-"));
    write("bin/systemctl", "#!/bin/sh\necho 0\n");
    write("bin/chown", "#!/bin/sh\n");
    for (const name of ["systemctl", "chown"]) fs.chmodSync(at(`bin/${name}`), 0o755);
  });
  afterEach(() => fs.rmSync(scratch, { recursive: true }));

  test.each([
    ["list of files", "grep", "*-f*", "exit 2"],
    [
      "configuration",
      "cp",
      "*preserve=all*",
      'mkdir -p "$STAGE$CONFIG"; echo "cp: No space left on device" >&2; exit 1',
    ],
  ])("makes no backup without parts of its %s", (_, name, pattern, how) => {
    const collecting = () => {
      for (const file of ["data/stage/manifest.json", "data/stage/.sqlite", "config/a", "data/one/a.dat"])
        write(file);
      fs.mkdirSync(at("data/stage/data"));
      const env = { STAGE: at("data/stage"), DATA: at("data"), CONFIG: at("config"), STOP: "false" };
      return run(`exec 3>${at("backup.tar.gz")}\n${collect}`, env, at("data/stage"));
    };
    failing(name, pattern, how);
    expect(collecting()).not.toBe(0);
    fs.symlinkSync("nowhere", at("config/link"));
    expect(collecting()).toBe(0);
  });

  test("leaves no half archive for the next restore to take for a whole one", () => {
    const restoring = () => {
      write("data/.prosody-pulumi-restore/archives/a@example.com-1.tar.gz", "whole");
      return run(locked(place(at("data")), at("data")));
    };
    failing(
      "cp",
      "*example.com*",
      '[ ! -d "$3" ] || set -- . . "$3/a@example.com-1.tar.gz"; printf half > "$3"; exit 1',
    );
    expect(restoring()).not.toBe(0);
    expect(restoring()).toBe(0);
    expect(fs.readFileSync(at("archives/a@example.com-1.tar.gz"), "utf8")).toBe("whole");
  });
});

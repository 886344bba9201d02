import { execFileSync } from "node:child_process";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import path from "node:path";
import {
  parseFiles,
  readFiles,
  readFilesScript,
  removeFiles,
  removeFilesScript,
  writeFiles,
  writeFilesInput,
  writeFilesScript,
} from "../../../../providers/ssh/files";
import { FakeHost } from "../../../helpers/fake-host";

const directory = mkdtempSync(path.join(tmpdir(), "prosody-files-"));
afterAll(() => rmSync(directory, { recursive: true }));

const inside = (name: string) => path.join(directory, name);
const user = userInfo().username;
const group = execFileSync("id", ["-gn"], { encoding: "utf8" }).trim();
const mine = { owner: user, group, mode: "0640" };
const shell = (script: string, input: string | Buffer) =>
  execFileSync("sh", ["-c", script], { input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] });
const failure = (action: () => unknown) => {
  try {
    action();
    return "no error";
  } catch (error) {
    return String((error as { stderr?: string }).stderr ?? (error as Error).message);
  }
};

describe("the scripts, in a local shell", () => {
  test("what is written is read again, with mode and owner", () => {
    const files = [
      { path: inside("it's a $name"), content: "line\n\nünïcode ☃\n\n", ...mine },
      { path: inside("empty"), content: "", ...mine, mode: "0600" },
      { path: inside("no end"), content: "\\no newline", ...mine, mode: "0444" },
    ];
    shell(writeFilesScript, writeFilesInput(files));
    const paths = [...files.map((file) => file.path), inside("none")];
    const found = parseFiles(shell(readFilesScript, paths.map((each) => `${each}\n`).join("")), paths);
    for (const { path, ...file } of files) expect(found.get(path)).toEqual(file);
    expect(found.get(inside("none"))).toBeUndefined();
    shell(removeFilesScript, paths.map((each) => `${each}\n`).join(""));
    expect(readdirSync(directory)).toEqual([]);
  });

  test("a failure changes no file and leaves nothing behind", () => {
    writeFileSync(inside("one"), "old");
    const one = { path: inside("one"), content: "new", ...mine };
    for (const [wrong, reason] of [
      [{ ...one, path: inside("two"), owner: "nobody-here" }, "invalid user"],
      [{ ...one, path: inside("none/two") }, "No such file or directory"],
      [{ ...one, path: directory }, "is a directory"],
    ] as const)
      expect(failure(() => shell(writeFilesScript, writeFilesInput([one, wrong])))).toContain(reason);
    expect(readdirSync(directory)).toEqual(["one"]);
    expect(readFileSync(inside("one"), "utf8")).toBe("old");
    rmSync(inside("one"));
  });

  test("content that is cut off is not written", () => {
    const input = writeFilesInput([{ path: inside("cut"), content: "0123456789", ...mine }]);
    expect(failure(() => shell(writeFilesScript, input.subarray(0, -1)))).toBe(
      `${inside("cut")} arrived incomplete\n`,
    );
    expect(readdirSync(directory)).toEqual([]);
  });

  test("directories are made only when that is asked for", () => {
    const file = { path: inside("a/b/file"), content: "x", ...mine };
    shell(writeFilesScript, writeFilesInput([{ ...file, makeDirectories: true }]));
    expect(readFileSync(file.path, "utf8")).toBe("x");
    expect(statSync(inside("a/b")).mode & 0o777).toBe(0o755);
    rmSync(inside("a"), { recursive: true });
  });

  test("a link is followed when it is read, and replaced when it is written", () => {
    writeFileSync(inside("target"), "behind");
    symlinkSync("target", inside("link"));
    const read = () =>
      parseFiles(shell(readFilesScript, `${inside("link")}\n`), [inside("link")]).get(inside("link"));
    expect(read()?.content).toBe("behind");
    shell(writeFilesScript, writeFilesInput([{ path: inside("link"), content: "own", ...mine }]));
    expect(readFileSync(inside("target"), "utf8")).toBe("behind");
    expect(read()?.content).toBe("own");
    rmSync(inside("target"));
    rmSync(inside("link"));
  });

  test("something that is no regular file is an error", () => {
    expect(failure(() => shell(readFilesScript, `${directory}\n`))).toBe(`${directory} is no regular file\n`);
  });
});

test("owners without a name are numbers, and modes have four digits", () => {
  const text = `644 UNKNOWN root 4711 0\n${Buffer.from("x").toString("base64")}\nmissing\n4755 root UNKNOWN 0 99\n\n`;
  expect([...parseFiles(text, ["/a", "/b", "/c"])]).toEqual([
    ["/a", { content: "x", mode: "0644", owner: "4711", group: "root" }],
    ["/b", undefined],
    ["/c", { content: "", mode: "4755", owner: "root", group: "99" }],
  ]);
});

test("an answer that stops half-way is an error, not a missing file", () => {
  expect(() => parseFiles("missing\n", ["/a", "/b"])).toThrow(
    new Error('the answer about /b can\'t be understood: ""'),
  );
});

test.each(["relative", "/directory/", "/line\nbreak", "/nul\0", "/", ""])(
  "%j is no path of a file",
  async (wrong) => {
    const host = new FakeHost();
    const reason = new Error(`${JSON.stringify(wrong)} is no absolute path of a file on one line.`);
    await expect(async () => readFiles(host, [wrong])).rejects.toThrow(reason);
    await expect(removeFiles(host, [wrong])).rejects.toThrow(reason);
    await expect(writeFiles(host, [{ path: wrong, content: "", ...mine }])).rejects.toThrow(reason);
    expect(host.ran).toEqual([]);
  },
);

test.each([
  [{ mode: "640x" }, "/a: mode 640x is not octal, like 0640."],
  [{ mode: "u+x" }, "/a: mode u+x is not octal, like 0640."],
  [{ owner: "root:root" }, '/a: "root:root" can\'t own a file.'],
  [{ group: "two words" }, '/a: "two words" can\'t own a file.'],
  [{ owner: "-R" }, '/a: "-R" can\'t own a file.'],
])("%j is refused", (wrong, reason) => {
  expect(() => writeFilesInput([{ path: "/a", content: "", ...mine, ...wrong }])).toThrow(new Error(reason));
});

test("contents are in no script", async () => {
  const host = new FakeHost();
  await writeFiles(host, [{ path: "/a", content: "top secret", ...mine }]);
  expect(host.ran[0]).toMatchObject({ doing: "writing /a", changes: true });
  expect(host.ran[0]!.script).not.toContain("secret");
});

test("many files are told by number", async () => {
  const host = new FakeHost();
  await removeFiles(host, ["/a", "/b", "/c", "/d"]);
  expect(host.ran[0]!.doing).toBe("removing /a, /b and 2 more files");
});

test("nothing to do is no round trip", async () => {
  const host = new FakeHost();
  await writeFiles(host, []);
  await removeFiles(host, []);
  expect(host.ran).toEqual([]);
});

test("readings share a remote command with others", async () => {
  const host = new FakeHost({ files: { "/a": { content: "A" } } });
  const files = await readFiles(host, ["/a", "/none"]);
  expect([...files].map(([path, file]) => [path, file?.content])).toEqual([
    ["/a", "A"],
    ["/none", undefined],
  ]);
  expect(host.ran).toMatchObject([{ input: "/a\n/none\n", together: true }]);
});

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { webClientFiles } from "../../../config/web-client";
import { remove, unpack, webClientHandler } from "../../../providers/handlers/web-client";
import { archive, lines, list, listed } from "../../../providers/own-directory";
import type { WebClientState } from "../../../providers/web-client";
import { FakeHost } from "../../helpers/fake-host";

const sum = (text: string) => createHash("sha256").update(text).digest("hex");
const state: WebClientState = {
  server: "a",
  ...webClientFiles,
  differing: [],
  written: { "dist/a.js": sum("a"), LICENSE: sum("free") },
};
const there = `there\nfile ${sum("a")} dist/a.js\nfile ${sum("free")} LICENSE\n`;

describe("on a disk", () => {
  const own = mkdtempSync(path.join(tmpdir(), "prosody-client-"));
  const target = path.join(own, "client");
  afterAll(() => rmSync(own, { recursive: true }));

  const write = (file: string, text: string) => {
    mkdirSync(path.dirname(path.join(own, file)), { recursive: true });
    writeFileSync(path.join(own, file), text);
  };
  const packed = () =>
    spawnSync("tar", [
      "-cz",
      "-C",
      own,
      "package/dist/a.js",
      "package/dist/a.js.map",
      "package/dist/b c.js",
      "package/src",
      "package/LICENSE",
    ]).stdout;
  const run = (script: string, input: Buffer | string) => spawnSync("sh", ["-c", script], { input });
  const bring = (content: Buffer, parts = ["package/dist", "package/LICENSE"]) =>
    run(
      unpack,
      Buffer.concat([Buffer.from(lines(target, ...parts, "", "*.map", "package/dist/b c.js", "")), content]),
    );
  const found = () => listed(run(list, lines(target)).stdout.toString());

  beforeAll(() => {
    for (const file of ["dist/a.js", "dist/a.js.map", "dist/b c.js", "src/a.ts"])
      write(`package/${file}`, "a");
    write("package/LICENSE", "free");
  });

  test("what is wanted of an archive takes the place of what was there", () => {
    expect(found()).toEqual({ isThere: false, files: {} });
    expect(bring(packed()).status).toBe(0);
    expect(found()).toEqual({ isThere: true, files: state.written });
    write("client/by hand", "x");
    symlinkSync("/etc/passwd", path.join(target, "dist/link"));
    expect(found().files).toEqual({ ...state.written, "by hand": sum("x"), "dist/link": "" });
    expect(bring(packed()).status).toBe(0);
    expect(found()).toEqual({ isThere: true, files: state.written });
  });

  test("an archive that is cut off, or lacks a part, changes nothing", () => {
    const whole = packed();
    expect(bring(whole.subarray(0, whole.length / 2)).status).not.toBe(0);
    expect(bring(whole, ["package/dist", "package/COPYING"]).status).not.toBe(0);
    expect(found()).toEqual({ isThere: true, files: state.written });
    expect(existsSync(`${target}.new`)).toBe(false);
    expect(readFileSync(path.join(target, "dist/a.js"), "utf8")).toBe("a");
  });
});

test("what differs is told by file, and kept before the directory is removed", async () => {
  const edited = there.replace(sum("a"), sum("b"));
  const host = new FakeHost({ answers: { [list]: edited, [archive]: "", [remove]: "" } });
  const seen = await webClientHandler.read(host, state);
  expect(seen?.differing).toEqual(["dist/a.js was edited"]);
  await webClientHandler.delete(host, state);
  expect(host.ran.slice(1).map(({ script, input }) => [script, input])).toEqual([
    [list, `${state.path}\n`],
    [archive, `${state.path}\nweb-client\n`],
    [remove, `${state.path}\n`],
  ]);
});

test("a directory that is gone is read as gone, and one without a change is not kept", async () => {
  expect(await webClientHandler.read(new FakeHost({ answers: { [list]: "" } }), state)).toBeUndefined();
  const host = new FakeHost({ answers: { [list]: there, [remove]: "" } });
  expect(await webClientHandler.read(host, state)).toEqual(state);
  await webClientHandler.delete(host, state);
  expect(host.scripts).not.toContain(archive);
});

test("no directory but one of this program", () => {
  expect(webClientHandler.check!(state)).toEqual([]);
  expect(webClientHandler.check!({ ...state, path: "/srv/chat" })).toEqual([
    { property: "path", reason: "/srv/chat is no directory of this program." },
  ]);
});

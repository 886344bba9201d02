import { createHash } from "node:crypto";
import type { CommunityModulesInputs, CommunityModulesState } from "../../../providers/community-modules";
import { clear, fetch, read, remove } from "../../../providers/community-modules/scripts";
import {
  found,
  missing,
  communityModulesHandler as modules,
} from "../../../providers/handlers/community-modules";
import { archive, differences } from "../../../providers/own-directory";
import { FakeHost } from "../../helpers/fake-host";

const sum = (text: string) => createHash("sha256").update(text).digest("hex");
const path = "/usr/local/lib/prosody-pulumi/v2-0123abcd";
const inputs = (changes: Partial<CommunityModulesInputs> = {}): CommunityModulesInputs => ({
  server: "a",
  source: "https://hg.example/modules/",
  revision: "v2",
  path,
  files: {},
  modules: ["demo"],
  differing: [],
  ...changes,
});
const state = (changes: Partial<CommunityModulesState> = {}): CommunityModulesState => ({
  ...inputs(),
  offered: ["demo", "demo_base", "ping"],
  brought: ["demo_base"],
  node: "f".repeat(40),
  written: { "mod_demo/mod_demo.lua": sum("x") },
  ...changes,
});
const there = `there\nfile ${sum("x")} mod_demo/mod_demo.lua\nmodule ping\nmodule old\npackaged old\n`;
const fetched = `node ${"f".repeat(40)}\noffered demo\noffered demo_base\nbrought demo_base\n`;

test("what a host prints is taken apart", () => {
  expect(found(`${there}file  mod_x/a b.lua\n`)).toEqual({
    isThere: true,
    files: { "mod_demo/mod_demo.lua": sum("x"), "mod_x/a b.lua": "" },
    modules: ["ping", "old"],
    packaged: ["old"],
  });
});

test("inputs that depend on a package that failed are no reason to complain", () => {
  expect(modules.check!({ server: "a", source: "package" } as CommunityModulesInputs)).toEqual([]);
  expect(modules.check!(inputs({ path: "/tmp/x" }))).toEqual([
    { property: "path", reason: "/tmp/x is no directory of this program." },
  ]);
});

test("a repository's modules are fetched by one script, and the package that goes does not count", async () => {
  const host = new FakeHost({ answers: { [fetch]: fetched, [read]: there } });
  expect(await modules.create(host, inputs())).toEqual(state());
  expect(host.changes).toEqual([fetch]);
  expect(host.ran[0]!.input).toBe(
    `https://hg.example/modules/\nv2\n${path}\nrepository-${sum("https://hg.example/modules/").slice(0, 8)}\ndemo\n`,
  );
});

test("a module that is nowhere is an error before the configuration is touched", async () => {
  const host = new FakeHost({ answers: { [fetch]: fetched, [read]: there } });
  await expect(modules.create(host, inputs({ modules: ["demo", "old"] }))).rejects.toThrow(
    "module old: neither Prosody nor https://hg.example/modules/ at revision v2 has it; take it out with prosody:disabledModules.",
  );
});

test("and of the preview, where the origin stays", () => {
  expect(() => modules.diff!(state(), inputs({ modules: ["demo", "pin"] }))).toThrow(
    /module pin: .* did you mean ping\?/,
  );
  expect(modules.diff!(state(), inputs({ modules: ["pin"], revision: "v3", path: `${path}0` }))).toEqual([
    "revision",
    "path",
    "modules",
  ]);
  expect(missing(["x"], [], { source: "package", revision: "" })).toEqual([]);
});

test("one that the host has no longer is a difference, which another list of modules puts right", async () => {
  const had = state({
    source: "package",
    revision: "",
    path: "",
    modules: ["old", "vcard_muc"],
    written: {},
  });
  const host = new FakeHost({ answers: { [read]: "module ping\nmodule old\npackaged old\n" } });
  const seen = (await modules.read(host, had))!;
  expect(seen).toEqual({ ...had, offered: ["old", "ping"], differing: ["module vcard_muc is missing"] });
  expect(modules.diff!(seen, { ...had, differing: [] })).toEqual(["differing"]);
  expect(modules.diff!(seen, { ...had, modules: ["old"], differing: [] })).toEqual(["modules", "differing"]);
});

test("a repair asks for the revision that the tag was", async () => {
  const edited = there.replace(sum("x"), sum("y"));
  let now = edited;
  const host = new FakeHost({
    answers: {
      [read]: () => now,
      [archive]: "",
      [fetch]: () => {
        now = there;
        return fetched;
      },
    },
  });
  const seen = await modules.read(host, state());
  expect(seen?.differing).toEqual(["mod_demo/mod_demo.lua was edited"]);
  expect((await modules.update(host, seen!, inputs())).differing).toEqual([]);
  expect(host.scripts.slice(1)).toEqual([read, archive, fetch, read]);
  expect(host.ran.find(({ script }) => script === fetch)!.input).toContain(`\n${"f".repeat(40)}\n`);
});

test("each difference has the file's name", () => {
  expect(differences({ a: "1", b: "2", c: "3" }, { b: "2", c: "4", d: "5" })).toEqual([
    "a is missing",
    "c was edited",
    "d was added",
  ]);
});

test("a directory that is gone is read as gone; the package's modules are never touched", async () => {
  const host = new FakeHost({ answers: { [read]: "module ping\n", [remove]: "" } });
  expect(await modules.read(host, state())).toBeUndefined();
  await modules.delete(host, state({ source: "package", revision: "", path: "" }));
  expect(host.changes).toEqual([]);
});

test("one's own files are written as they are", async () => {
  const host = new FakeHost({ answers: { [clear]: "", [read]: "there\nmodule ping\n" } });
  const files = { "mod_demo/mod_demo.lua": "x", "mod_b.lua": "y" };
  const own = inputs({ source: "directory", revision: "", files, modules: ["b", "demo"] });
  const made = await modules.create(host, own);
  expect(made.written).toEqual({ "mod_demo/mod_demo.lua": sum("x"), "mod_b.lua": sum("y") });
  expect(made.offered).toEqual(["b", "demo", "ping"]);
  expect(host.files.get(`${path}/mod_b.lua`)).toEqual({
    content: "y",
    mode: "0644",
    owner: "root",
    group: "root",
  });
});

test.each(["/etc", "/usr/local/lib/prosody-pulumi/../x-0123abcd", `${path}/x`])(
  "no directory but one of this program: %s",
  (other) => {
    expect(modules.check!(inputs({ path: other }))).toEqual([
      { property: "path", reason: `${other} is no directory of this program.` },
    ]);
  },
);

test("no file outside of it", () => {
  expect(modules.check!(inputs({ files: { "mod_x/../../y": "" } }))).toEqual([
    { property: "files", reason: "mod_x/../../y is no plain name of a module's file." },
  ]);
  expect(modules.check!(inputs({ files: { "mod_x/html/a b-1.png": "", "mod_y.lua": "" } }))).toEqual([]);
});

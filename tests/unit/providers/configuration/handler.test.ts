import type { ConfigurationInputs } from "../../../../providers/configuration";
import { found } from "../../../../providers/configuration/found";
import { commands } from "../../../../providers/configuration/server";
import { configurationHandler as configuration } from "../../../../providers/handlers/configuration";

const file = (content: string, mode = "0640") => ({ content, mode, owner: "root", group: "prosody" });
const main = "/etc/prosody/prosody.cfg.lua";
const inputs = (change: Partial<ConfigurationInputs> = {}): ConfigurationInputs => ({
  server: "a",
  files: { [main]: file('Include "conf.d/*.cfg.lua"') },
  secrets: {},
  live: true,
  ...change,
});
const reasons = (change: Partial<ConfigurationInputs>) =>
  configuration.check!(inputs(change)).map(({ property, reason }) => `${property}: ${reason}`);

describe("inputs", () => {
  test("of a plain configuration are accepted", () => {
    expect(reasons({ secrets: { "/etc/prosody/conf.d/secret.cfg.lua": file("x = 1") } })).toEqual([]);
  });

  test("that a failure elsewhere left out are no problem of their own", () => {
    expect(reasons({ files: undefined })).toEqual([]);
  });

  test("need the main file, once", () => {
    expect(reasons({ files: {} })).toEqual([`files: ${main} is missing`]);
    expect(reasons({ secrets: { [main]: file("") } })).toEqual([`files: ${main} is among the secrets, too`]);
  });

  test.each([
    "/etc/passwd",
    "/etc/prosody/../passwd",
    "/etc/prosody/.staged/x",
    "/etc/prosody/a b",
    "prosody.cfg.lua",
  ])("have no file at %s", (path) => {
    expect(reasons({ secrets: { [path]: file("") } })).toEqual([
      `secrets: ${path}: configuration files are below /etc/prosody, with plain names that don't begin with a dot`,
    ]);
  });

  test("have modes and owners as the host writes them", () => {
    expect(reasons({ files: { [main]: file("", "640") } })).toEqual([
      `files: ${main}: mode 640 is not four octal digits, like 0640`,
    ]);
    expect(reasons({ files: { [main]: { ...file(""), owner: "root;id" } } })).toEqual([
      `files: ${main}: root;id:prosody are not names of a user and a group`,
    ]);
  });

  test("include each other relatively, because candidates lie elsewhere", () => {
    expect(reasons({ files: { [main]: file('Include "/etc/prosody/secrets.cfg.lua"') } })).toEqual([
      `files: ${main}: name /etc/prosody/secrets.cfg.lua relative to this file, so that its candidate is read, not the live one`,
    ]);
    expect(
      reasons({ files: { [main]: file('x = FileContents("/srv/secret")\nc = "/etc/prosody/certs"') } }),
    ).toEqual([]);
  });
});

test("what a host prints of its files is taken apart", () => {
  const stdout = [
    `file prosody.cfg.lua 640 root prosody ${Buffer.from('x = "é"\n').toString("base64")}`,
    "file empty.cfg.lua 600 root root ",
    "cut off active",
    "known",
    "service failed",
    "Warning: something that Prosody prints",
    '@model {"version":"13.0.1","hosts":{"ex\\u00c3\\u00a4mple":{}}}',
    "",
  ].join("\n");
  expect(found(stdout)).toEqual({
    files: {
      [main]: file('x = "é"\n'),
      "/etc/prosody/empty.cfg.lua": { content: "", mode: "0600", owner: "root", group: "root" },
    },
    cutOff: "active",
    isCopyLeft: false,
    known: true,
    service: "failed",
    model: { version: "13.0.1", hosts: { exämple: {} } },
  });
  expect(found("service active\n")).toEqual({
    files: {},
    cutOff: undefined,
    isCopyLeft: false,
    known: false,
    service: "active",
    model: undefined,
  });
});

describe("steps on their way into the server", () => {
  test("are Lua, whatever is in their names", () => {
    expect(commands([["reload"], ["load", 'a"b', "x\\y"]])).toEqual([
      '> apply{{"reload"},{"load","a\\034b","x\\092y"}}',
    ]);
  });

  test("are split where a command would be too long", () => {
    const steps = Array.from(
      { length: 400 },
      (_, i) => ["load", `host${i}.example.test`, "carbons"] as ["load", string, string],
    );
    const all = commands(steps);
    expect(all.length).toBeGreaterThan(1);
    expect(Math.max(...all.map((command) => command.length))).toBeLessThan(9000);
    expect(all.join("").match(/"carbons"/g)).toHaveLength(400);
  });
});

import { spawnSync } from "node:child_process";
import { Secret } from "../../../config/secret";
import type { LuaValue } from "../../../config/settings";
import { isIdentifier, lua } from "../../../templates/lua";

describe("a string", () => {
  test.each([
    ["plain", '"plain"'],
    ['say "hi"', '"say \\"hi\\""'],
    ["back\\slash", '"back\\\\slash"'],
    ["line\nline", '"line\\nline"'],
    ["cr\r\u0000tab\t", '"cr\\013\\000tab\\009"'],
    ["\u00001", '"\\0001"'],
    ["]] --[[ x ]]", '"]] --[[ x ]]"'],
    ["żółć 💬", '"żółć 💬"'],
    ["\u202etxt.exe", '"\\226\\128\\174txt.exe"'],
    ["", '""'],
  ])("%j becomes %s", (text, expected) => expect(lua(text)).toBe(expected));

  test("with half a surrogate pair is refused", () =>
    expect(() => lua("a\ud800b")).toThrow('"a\\ud800b" holds half a surrogate pair: it is no Unicode text.'));
});

describe("a number", () => {
  test.each([
    [0, "0"],
    [104857600, "104857600"],
    [-5, "-5"],
    [0.5, "0.5"],
    [Number.MAX_SAFE_INTEGER, "9007199254740991"],
  ])("%d becomes %s", (number, expected) => expect(lua(number)).toBe(expected));

  test.each([
    [Number.NaN, "NaN is not a number that an option can have."],
    [Number.POSITIVE_INFINITY, "Infinity is not a number that an option can have."],
    [2 ** 53, "9007199254740992 is beyond 2^53, where digits get lost: write it as a string."],
    [1e300, "1e+300 is beyond 2^53, where digits get lost: write it as a string."],
  ])("%d is refused", (number, message) => expect(() => lua(number)).toThrow(message));
});

describe("a table", () => {
  test("short: on one line, keys in their order, bare only where Lua allows it", () =>
    expect(lua({ b: 1, a: [true, "x"], end: false, "local-zone:": "y", "5222": {} })).toBe(
      '{ ["5222"] = {}, b = 1, a = { true, "x" }, ["end"] = false, ["local-zone:"] = "y" }',
    ));

  test("long: one field a line, nested ones indented", () =>
    expect(lua({ rate: ["x".repeat(60), "y".repeat(60)], on: true })).toBe(
      `{\n\trate = {\n\t\t"${"x".repeat(60)}",\n\t\t"${"y".repeat(60)}",\n\t},\n\ton = true,\n}`,
    ));

  test("empty lists and tables are the same to Lua", () => expect([lua([]), lua({})]).toEqual(["{}", "{}"]));

  test.each([[[undefined]], [[null]], [{ a: undefined }], [new Array(1)]])("%j is refused", (table) =>
    expect(() => lua(table as unknown as LuaValue)).toThrow("leave the option out instead"),
  );
});

describe("a secret", () => {
  test("is refused by default, at any depth, and the error does not tell it", () => {
    const write = () => lua({ a: [{ b: new Secret("s3cret") }] });
    expect(write).toThrow(
      "A secret value was about to be written into a file that everybody may see in a preview.",
    );
    expect(write).not.toThrow("s3cret");
  });
  test("is written, escaped, where asked for", () =>
    expect(lua([new Secret('s3"cret')], "reveal")).toBe('{ "s3\\"cret" }'));
});

test("identifiers: what Lua accepts as a name", () =>
  expect(["log", "_x9", "9x", "a-b", "while", "goto", ""].map(isIdentifier)).toEqual([
    true,
    true,
    false,
    false,
    false,
    false,
    false,
  ]));

const interpreter = ["lua5.4", "lua5.3", "lua5.2", "lua5.1", "lua"].find(
  (name) => spawnSync(name, ["-v"]).error === undefined,
);

/** Prints a value in a form of its own, in which every string is hexadecimal: nothing that Lua reads is trusted twice. */
const dump = `
local function hex(s) return (s:gsub(".", function (c) return string.format("%02x", c:byte()) end)) end
local function show(v)
  if type(v) == "string" then return "s" .. hex(v) end
  if type(v) == "number" then return "n" .. string.format("%.17g", v) end
  if type(v) == "boolean" then return "b" .. tostring(v) end
  local out = {}
  for k, x in pairs(v) do out[#out + 1] = show(k) .. "=" .. show(x) end
  table.sort(out)
  return "{" .. table.concat(out, ",") .. "}"
end
for _, v in ipairs(values) do print(show(v)) end
`;

function expected(value: LuaValue): string {
  if (typeof value === "string") return `s${Buffer.from(value).toString("hex")}`;
  if (typeof value === "number") return `n${printed(value)}`;
  if (typeof value === "boolean") return `b${value}`;
  const fields = Array.isArray(value)
    ? value.map((item, index) => `n${index + 1}=${expected(item)}`)
    : Object.entries(value).map(([key, item]) => `s${Buffer.from(key).toString("hex")}=${expected(item)}`);
  return `{${fields.sort(byBytes).join(",")}}`;
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** C's %.17g of the numbers used below: integers and binary fractions print alike in both languages. */
const printed = (value: number) => String(value === 0 ? 0 : value);

/** A small generator with a fixed seed, so that a failure happens again. */
function random(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function anyValue(pick: (below: number) => number, depth: number): LuaValue {
  const kind = pick(depth > 0 ? 6 : 4);
  if (kind === 0) return pick(2) === 1;
  if (kind === 1) return (pick(2 ** 31) - 2 ** 30) / [1, 2, 4, 8][pick(4)]!;
  if (kind < 4) return anyText(pick);
  const items = Array.from({ length: pick(5) }, () => anyValue(pick, depth - 1));
  return kind === 4 ? items : Object.fromEntries(items.map((item) => [anyText(pick), item]));
}

const alphabet = [
  "a",
  "1",
  "]",
  "[",
  "=",
  "-",
  '"',
  "'",
  "\\",
  "n",
  "x",
  "\n",
  "\r",
  "\0",
  "\x7f",
  "é",
  "💬",
  "\u2028",
];

function anyText(pick: (below: number) => number): string {
  return Array.from({ length: pick(8) }, () => alphabet[pick(alphabet.length)]).join("");
}

/** Exact strings are pinned above; here a real Lua is the judge. */
describe("read back by a real Lua", () => {
  test("there is one on this machine", () => {
    if (!interpreter) throw new Error("No Lua on PATH: `apt-get install lua5.4`, or your system's package.");
  });

  function readBack(values: LuaValue[]): string[] {
    const program = `local values = {\n${values.map((value) => `${lua(value)},\n`).join("")}}\n${dump}`;
    const { stdout, stderr } = spawnSync(interpreter!, ["-"], { input: program, encoding: "utf8" });
    expect(stderr).toBe("");
    return stdout.trimEnd().split("\n");
  }

  test("every byte value of a string comes back", () => {
    const characters = Array.from({ length: 0x180 }, (_, code) => String.fromCharCode(code));
    const values = [...characters, ...characters.map((character) => `${character}7`), characters.join("")];
    expect(readBack(values)).toEqual(values.map(expected));
  });

  test("keywords, digits and odd text as keys come back", () => {
    const values = [
      { end: 1, "1": 2, "": 3, "a b": 4, __index: 5, "]]": 6, '"': 7, "\n": 8, constructor: 9, ünï: 10 },
    ];
    expect(readBack(values)).toEqual(values.map(expected));
  });

  test("2000 generated values come back", () => {
    const pick = random(20260101);
    const values = Array.from({ length: 2000 }, () => anyValue(pick, 3));
    expect(readBack(values)).toEqual(values.map(expected));
  });
});

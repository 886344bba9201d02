import { execFileSync } from "node:child_process";
import { quote, raw, sh } from "../../../../providers/ssh/quote";

const nasty = [
  "",
  "plain",
  "two words",
  "it's",
  "back\\slash",
  "\\'",
  "$HOME `id` $(id)",
  'double "quoted"',
  "line\nbreak",
  "*?[a]{b,c}~!#",
  "-n",
  "ünïcode ☃",
  "trailing\\",
];

test.each(nasty)("a shell hands over %j as one unchanged argument", (word) => {
  const got = execFileSync("sh", ["-c", `printf '%s|' ${quote(word)} end`], { encoding: "utf8" });
  expect(got).toBe(`${word}|end|`);
});

test("harmless words stay readable", () => {
  expect(quote("/etc/prosody/conf.d/a_b-c.cfg.lua")).toBe("/etc/prosody/conf.d/a_b-c.cfg.lua");
  expect(quote("user@example.com:5222")).toBe("user@example.com:5222");
  expect(quote(5222)).toBe("5222");
});

test("a word with a NUL character is refused", () => {
  expect(() => quote("a\0b")).toThrow(
    new Error('"a\\u0000b" has a NUL character, which can\'t be passed to a command.'),
  );
});

test("sh quotes each value, and each item of an array as a word of its own", () => {
  expect(sh`rm -f -- ${["a b", "c"]} ${"$d"} ${7}`).toBe("rm -f -- 'a b' c '$d' 7");
  expect(sh`true ${[]}`).toBe("true ");
});

test("sh inserts a script as it is when it is marked, and quotes it when it is not", () => {
  const inner = sh`test -e ${"a b"}`;
  expect(sh`if ${raw(inner)}; then echo ${"it's"}; fi`).toBe("if test -e 'a b'; then echo 'it'\\''s'; fi");
  expect(sh`sh -c ${inner}`).toBe("sh -c 'test -e '\\''a b'\\'''");
});

import { excerpt, lastLines, networkReason, sentences } from "../../../../providers/ssh/errors";

test("sentences begin in lower case, since something stands before them, and end with one full stop", () => {
  expect(sentences("Can't connect", "", "the fix is this.", "see `x`")).toBe(
    "can't connect. The fix is this. See `x`.",
  );
});

test("the last lines of an output are kept, and no more than fits", () => {
  expect(lastLines("a\nb\nc\n", 2)).toBe("b\nc");
  expect(lastLines("x".repeat(50), 2, 10)).toBe("x".repeat(10));
});

test("of a script the first line is told, and not more than is needed to know it", () => {
  expect(excerpt("one")).toBe("one");
  expect(excerpt("\none\ntwo")).toBe("one …");
  expect(excerpt("x".repeat(200), 10)).toBe("xxxxxxxxxx …");
});

test.each([
  ["EHOSTUNREACH", "there is no route to the host (EHOSTUNREACH)."],
  ["ENOTFOUND", "the name does not resolve (ENOTFOUND)."],
  ["ETIMEDOUT", "no answer within 10 s."],
  ["ECONNRESET", "the connection was reset."],
  ["ESOMETHING", "ESOMETHING"],
])("%s is told in words", (code, words) => {
  expect(networkReason(code, 10)).toContain(words);
});

test("a host's words do nothing to the terminal that shows them", () => {
  expect(lastLines("\u001b]52;c;cm0gLXJm\u0007done\r\n\ttwo\u009b2J\u202eü\r\n")).toBe(
    "\\u001b]52;c;cm0gLXJm\\u0007done\n\ttwo\\u009b2J\\u202eü",
  );
});

import { adminShell, isUnavailable, lua } from "../../../providers/admin-shell";
import { luaScript, luaSource, luaString } from "../../../providers/lua";
import { FakeHost } from "../../helpers/fake-host";

const doing = "asking Prosody";
const answering = (stdout: string, more = {}) =>
  new FakeHost({ answers: { [luaScript]: { stdout, ...more } } });

test("all commands go in one round trip, on standard input alone", async () => {
  const host = answering('[true,"13.0.1"]\n[false,"No such host"]\n');
  const replies = await adminShell(host, ["server:version()", 'user:password("a@b","s3cret")'], { doing });
  expect(replies).toEqual([
    { ok: true, text: "13.0.1" },
    { ok: false, text: "No such host" },
  ]);
  expect(host.ran).toHaveLength(1);
  expect(host.ran[0]!.script).not.toContain("s3cret");
  expect(host.ran[0]!.input).toMatch(/\n301\n016\nserver:version\(\)29\nuser:password\("a@b","s3cret"\)$/);
  expect(host.ran[0]!.changes).toBe(false);
});

test("bytes come back as the text that they are", async () => {
  const host = answering('[true,"M\\u00c3\\u00bcller \\u00f0\\u009f\\u00a6\\u008a\\u000a\\u0022"]\n');
  expect(await adminShell(host, ["x"], { doing })).toEqual([{ ok: true, text: 'Müller 🦊\n"' }]);
});

test("no commands are no round trip", async () => {
  const host = answering("");
  expect(await adminShell(host, [], { doing })).toEqual([]);
  expect(host.ran).toEqual([]);
});

test.each([
  [69, "/var/lib/prosody/prosody.sock: connection refused\n", "connection refused"],
  [78, "Prosody is not installed\n", "Prosody is not installed"],
])("exit code %i is told apart, so that another way can be taken", async (code, stderr, reason) => {
  const error = await adminShell(answering("", { code, stderr }), ["x"], { doing }).catch((caught) => caught);
  expect(isUnavailable(error)).toBe(true);
  expect(error.message).toMatch(
    /^asking Prosody on xmpp\.example\.com: Prosody's admin socket does not answer \(/,
  );
  expect(error.message).toContain(reason);
});

test("any other failure is not taken for an unavailable shell", async () => {
  const error = await adminShell(answering("", { code: 1 }), ["x"], { doing }).catch((caught) => caught);
  expect(error).toBeInstanceOf(Error);
  expect(isUnavailable(error)).toBe(false);
});

test("too few answers are an error", async () => {
  await expect(adminShell(answering('[true,""]\n'), ["x", "y"], { doing })).rejects.toThrow(
    "asking Prosody on xmpp.example.com: Prosody answered 1 of 2 commands. See journalctl -u prosody on the host, then run this again.",
  );
});

test("what Prosody would not take is refused before anything is sent", async () => {
  const host = answering("");
  await expect(adminShell(host, ["ok", "&".repeat(2000)], { doing })).rejects.toThrow(
    "An admin command of 10000 bytes is too long; Prosody takes 9900. Split it.",
  );
  await expect(adminShell(host, ["a\0b"], { doing })).rejects.toThrow(
    "An admin command holds a control character. Write it with luaString.",
  );
  expect(host.ran).toEqual([]);
});

test("lua returns the value, and an error names what was tried and Prosody's reason", async () => {
  expect(await lua(answering('[true,"2"]\n'), "return 1 + 1", { doing })).toBe("2");
  await expect(lua(answering('[false,"console:1: x"]\n'), "error 'x'", { doing })).rejects.toThrow(
    "asking Prosody on xmpp.example.com: Prosody answered: console:1: x",
  );
});

test("a Lua literal is printable ASCII whatever is in it", () => {
  expect(luaString('a"b\\c\n\0é')).toBe('"a\\034b\\092c\\010\\000\\195\\169"');
});

test("the sources that the admin shell gets are below its limit", () => {
  expect(Buffer.byteLength(luaSource("accounts").replace(/[&<>]/g, "&amp;"))).toBeLessThan(9800);
});

import { renderUnicodeCompact } from "uqr";
import { invitationCode, invitationText, invited, linksIn } from "../../../tools/invitation";

const domains = ["example.com", "xn--bcher-kva.example"];

describe("for whom", () => {
  test.each<[string | undefined, readonly string[], object]>([
    ["Alice@Example.com", domains, { name: "alice", domain: "example.com" }],
    ["alice@bücher.example", domains, { name: "alice", domain: "xn--bcher-kva.example" }],
    ["example.com", domains, { name: undefined, domain: "example.com" }],
    [undefined, ["example.com"], { name: undefined, domain: "example.com" }],
  ])("%s", (text, among, found) => expect(invited(text, among)).toEqual(found));

  test.each([
    [
      undefined,
      "The server has several virtual hosts: give a bare JID on one of example.com, xn--bcher-kva.example, or one of these alone.",
    ],
    [
      "example.net",
      "example.net is no virtual host of the server: give a bare JID on one of example.com, xn--bcher-kva.example, or one of these alone.",
    ],
    [
      "a@example.net",
      "example.net is no virtual host of this server (example.com, xn--bcher-kva.example); correct it, or add it to prosody:domains",
    ],
    ["a b@example.com", "a name has no spaces (RFC 7622)"],
  ])("%s is refused", (text, why) => expect(() => invited(text, domains)).toThrow(why));
});

test("Prosody knows the domain by its letters, and no name ends the Lua text", () => {
  const code = invitationCode({ name: 'a"..os', domain: "xn--bcher-kva.example" }, 2);
  expect(code).toContain('local host, user = "b\\195\\188cher.example", "a\\034..os"');
  expect(code).toContain("create_account(user, nil, 172800)");
  expect(code).not.toContain("\n");
});

describe("the text", () => {
  const uri = "xmpp:alice@example.com?register;preauth=abc";
  const page = "https://example.com:5281/invite/?abc";

  test("has the page's link on a line of its own, with whose it is and for how long; then the app's", () => {
    const text = invitationText({ name: "alice", domain: "example.com" }, { page, uri }, 1);
    const lines = text.split("\n");
    expect(lines[0]).toBe("One person can make the account alice@example.com with this, once, within 1 day:");
    expect(lines[2]).toBe(`  ${page}`);
    expect(lines.filter((line) => line.startsWith("  xmpp:"))).toEqual([`  ${uri}`]);
    expect(text).toContain(renderUnicodeCompact(page, { border: 2 }));
  });

  test("has the app's link where the server has no page", () => {
    const text = invitationText({ name: undefined, domain: "example.com" }, { page: undefined, uri }, 7);
    expect(text).toMatch(
      /^One person can make an account of their choice at example\.com with this, once, within 7 days:\n\n {2}xmpp:/,
    );
    expect(text).toContain(renderUnicodeCompact(uri, { border: 2 }));
  });
});

test.each([
  ["xmpp:x https://y/?z", { uri: "xmpp:x", page: "https://y/?z" }],
  ["xmpp:x ", { uri: "xmpp:x", page: undefined }],
])("links in %j", (answer, links) => expect(linksIn(answer)).toEqual(links));

import { isPrivate, withHostLines, withoutHostLines } from "../../../providers/turn-text";

const secret = "a-secret-of-enough-length";
const addresses = ["10.0.0.5", "2001:db8::5"];

test("is read back as the program wrote it, with the secret apart", () =>
  expect(withoutHostLines(withHostLines("a\n", secret, addresses), addresses)).toEqual({
    config: "a\n",
    secret,
  }));

test("allows the host's own private address as a peer, and no other", () => {
  const text = withHostLines("", secret, ["10.0.0.5", "203.0.114.7", "fd00::1", "2a00::1"]);
  expect(text.match(/^allowed-peer-ip=.*$/gm)).toEqual([
    "allowed-peer-ip=10.0.0.5",
    "allowed-peer-ip=fd00::1",
  ]);
});

test("edited, or with another address, is shown, without the secret", () => {
  for (const [text, own] of [
    [`${withHostLines("a\n", secret, addresses)}cli-port=1\n`, addresses],
    [withHostLines("a\n", secret, addresses), ["10.0.0.6"]],
  ] as const) {
    const read = withoutHostLines(text, own);
    expect(read.secret).toBe(secret);
    expect(read.config).toContain("static-auth-secret=[secret]\n");
    expect(read.config).not.toContain(secret);
  }
});

test.each([
  "static-auth-secret = canary",
  "  static-auth-secret canary",
  "# static-auth-secret=canary",
  "user=guest:canary",
  "cli-password=canary",
  "pkey-pwd=canary",
  'psql-userdb="host=db password=canary"',
  "redis-statsdb=ip=::1 password=canary",
])("%s, which somebody else wrote, shows without the secret", (line) => {
  const { config } = withoutHostLines(`no-cli\n${line}\nrealm=x\n`, addresses);
  expect(config).toMatch(/^no-cli\n.*[= ]\[secret\]\nrealm=x\n$/);
  expect(config).not.toContain("canary");
});

test.each([
  ["10.255.255.255", true],
  ["11.0.0.0", false],
  ["172.15.0.1", false],
  ["172.16.0.1", true],
  ["127.0.0.1", true],
  ["100.64.0.1", true],
  ["169.254.169.254", true],
  ["8.8.8.8", false],
  ["::1", true],
  ["fe80::1", true],
  ["fd12::1", true],
  ["2a00:1450::1", false],
])("%s is private: %s", (address, expected) => expect(isPrivate(address)).toBe(expected));

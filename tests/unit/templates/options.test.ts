import { Secret } from "../../../config/secret";
import { holdsSecret, optionWarnings, passwordHash } from "../../../templates/options";

test("what takes safety away is warned of, the safe value is not", () => {
  expect(
    optionWarnings({ c2s_require_encryption: false, s2s_secure_auth: true, authentication: "ldap" }),
  ).toEqual(["prosody:options: c2s_require_encryption is false: clients may log in without encryption."]);
  expect(
    optionWarnings({ s2s_secure_auth: false, authentication: "internal_plain", allow_registration: true }),
  ).toHaveLength(3);
});

test("what locks out accounts that have a password is warned of", () => {
  const warned = (options: Record<string, string>) => optionWarnings(options).join();
  expect(warned({ password_hash: "SHA-256" })).toMatch(/password_hash is "SHA-256": .* can't log in until/);
  expect(warned({ authentication: "internal_plain" })).toMatch(/stored as a hash can't log in until/);
  expect(warned({ password_hash: "SHA-1" })).toBe("");
});

test.each([
  [{}, undefined],
  [{ password_hash: "SHA-1" }, undefined],
  [{ password_hash: "SHA-256" }, "SHA-256"],
  [{ password_hash: "SHA-256", authentication: "internal_plain" }, undefined],
])("passwords are stored by another hash than SHA-1 with %j: %s", (options, expected) => {
  expect(passwordHash(options as Record<string, string>)).toBe(expected);
});

test("a secret is found at any depth", () => {
  const secret = new Secret("x");
  expect(
    [secret, [1, [secret]], { a: { b: secret } }, "x", [], { a: [1] }, 0, false].map(holdsSecret),
  ).toEqual([true, true, true, false, false, false, false, false]);
});

import type { Found } from "../../../../providers/configuration/found";
import { type LogIn, refusals, refusedLockOuts } from "../../../../providers/configuration/log-ins";
import type { Model } from "../../../../providers/configuration/model";
import { FakeHost } from "../../../helpers/fake-host";

const sha1 = "SCRAM-SHA-1$10000:c2FsdA==$a:b";
const sha256 = "SCRAM-SHA-256$10000:c2FsdA==$a:b";
const hashed: LogIn = { authentication: "internal_hashed" };
const plain: LogIn = { authentication: "internal_plain" };
const strong: LogIn = { ...hashed, passwordHash: "SHA-256" };

/** Refusals for a domain beyond ASCII with two accounts that have such verifiers, and one without a password. */
function refused(now: LogIn, wanted: LogIn, verifier: string, isOurs = false): string[] {
  const verifiers = new Map([
    ["a@xn--mller-kva.test", verifier],
    ["b@xn--mller-kva.test", verifier],
    ["c@xn--mller-kva.test", undefined],
    ["a@other.test", verifier],
  ]);
  return refusals({ "müller.test": now }, { "müller.test": wanted, "new.test": wanted }, verifiers, isOurs);
}

test("a server that is taken over keeps the way in which its passwords are stored", () => {
  expect(refused(strong, hashed, sha256)).toEqual([
    "accounts of müller.test could not log in any more (2): their passwords are stored for password_hash SHA-256, which would be SHA-1. Keep it: pulumi config set --path 'options.password_hash' SHA-256",
  ]);
  expect(refused(hashed, strong, sha1).join()).toMatch(
    /stored for password_hash SHA-1, which would be SHA-256/,
  );
  expect(refused(hashed, plain, sha1).join()).toMatch(
    /for authentication internal_hashed, .* internal_plain/,
  );
  expect(refused({ authentication: "ldap" }, hashed, sha1)).toEqual([
    "nobody could log in to müller.test any more: its authentication is ldap, and would be internal_hashed. Keep it: pulumi config set --path 'options.authentication' ldap",
  ]);
});

test.each([
  ["whose accounts have what is wanted", strong, hashed, sha1],
  ["that says what is usual", { ...hashed, passwordHash: "SHA-1" }, hashed, sha1],
  ["with passwords in clear", plain, strong, sha1],
  ["with guests alone", { authentication: "anonymous" }, hashed, sha1],
  [
    "with another place for accounts that stays",
    { authentication: "ldap" },
    { authentication: "ldap" },
    sha1,
  ],
])("a server %s is taken over", (_, now, wanted, verifier) =>
  expect(refused(now, wanted, verifier)).toEqual([]),
);

test("who names another value later means it; one that goes from the options is missed", () => {
  expect(refused(hashed, strong, sha1, true)).toEqual([]);
  expect(refused(hashed, plain, sha1, true)).toEqual([]);
  expect(refused(strong, hashed, sha256, true)).toHaveLength(1);
});

test("the accounts are not read where nothing differs", async () => {
  const model = {
    hosts: { "example.test": { component: false, modules: [], ...strong } },
  } as unknown as Model;
  const host = new FakeHost({});
  expect(await refusedLockOuts(host, { model, known: false } as Found, model)).toEqual([]);
  expect(host.ran).toEqual([]);
});

import { hash, hashAhead, hashable } from "../../../providers/hash-ahead";
import { matches, verifier } from "../../../providers/scram";

/** The real functions, and what they were called with. */
jest.mock("../../../providers/scram", () => {
  const real = jest.requireActual("../../../providers/scram");
  return { ...real, verifier: jest.fn(real.verifier) };
});
const made = jest.mocked(verifier);
beforeEach(() => made.mockClear());

/** Passwords that were hashed, in the order of time. */
const hashed = () => made.mock.calls.map(([password]) => password);

test("who asks for what was made ahead gets it, and nobody gets it twice", async () => {
  await hashAhead(["one", "two"]);
  expect(hashed()).toEqual(["one", "two"]);
  const first = await hash("one");
  expect(hashed()).toEqual(["one", "two"]);
  expect(await matches("one", first)).toBe(true);
  expect(await hash("one")).not.toBe(first); // another account with the same password
  expect(hashed()).toEqual(["one", "two", "one"]);
});

test("what somebody asked for before its turn is not made again", async () => {
  const all = hashAhead(["first", "second", "third"]);
  await hash("second");
  await all;
  expect(hashed()).toEqual(["first", "second", "third"]);
});

test("a password that SASLprep might change is left to the server", async () => {
  await hashAhead(["Paßwort", ""]);
  expect(hashed()).toEqual([]);
  expect(["pencil", "Paßwort", ""].map(hashable)).toEqual([true, false, false]);
});

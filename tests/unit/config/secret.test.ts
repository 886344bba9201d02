import { inspect } from "node:util";
import { Secret } from "../../../config/secret";

test("a secret shows itself only when asked", () => {
  const secret = new Secret("hunter2");
  expect([`${secret}`, JSON.stringify({ secret }), inspect({ secret })]).toEqual([
    "[secret]",
    '{"secret":"[secret]"}',
    "{ secret: [secret] }",
  ]);
  expect(secret.reveal()).toBe("hunter2");
});

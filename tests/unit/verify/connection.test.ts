import { type Context, FailedElsewhere } from "../../../verify/check";
import { connectionChecks } from "../../../verify/checks/connection";

const wrongPassword = (login: () => Promise<unknown>) =>
  connectionChecks
    .find(({ name }) => name === "A wrong password is refused")!
    .run({ login, accounts: [{ password: "right" }] } as unknown as Context);

test("that nobody can connect is no fault of how passwords are judged", async () => {
  const shut = new FailedElsewhere("nobody can connect", "DNS records");
  await expect(wrongPassword(() => Promise.reject(shut))).rejects.toBe(shut);
  await expect(wrongPassword(() => Promise.reject(new Error("temporary-auth-failure")))).rejects.toThrow(
    "the answer is temporary-auth-failure, not not-authorized",
  );
  await expect(wrongPassword(() => Promise.resolve({}))).rejects.toThrow("anybody can log in");
  await wrongPassword(() => Promise.reject(new Error("not-authorized")));
});

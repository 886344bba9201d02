import { coturn } from "../../../providers/facts/coturn";
import { turnSecretHandler } from "../../../providers/handlers/turn-secret";
import { FakeHost } from "../../helpers/fake-host";

const config = "/etc/turnserver.conf";
const secret = "a-secret-of-enough-length";
const answers = { [coturn.script]: `config ${config}\n` };

test("is made once, at random", async () => {
  const made = await Promise.all(
    [1, 2].map(() => turnSecretHandler.create(new FakeHost({ answers }), { server: "s" })),
  );
  for (const state of made) expect(state.secret).toMatch(/^[\w-]{43}$/);
  expect(made[0]!.secret).not.toBe(made[1]!.secret);
  expect(await turnSecretHandler.update(new FakeHost(), made[0]!, { server: "t" })).toEqual({
    server: "t",
    secret: made[0]!.secret,
  });
});

test("of a coturn that is there is taken over", async () => {
  const host = new FakeHost({
    answers,
    files: { [config]: { content: `x\nstatic-auth-secret=${secret}\n` } },
  });
  expect(await turnSecretHandler.create(host, { server: "s" })).toEqual({ server: "s", secret });
});

test.each(["short", "north+south/east=west"])("%s, which coturn has, is not", async (weak) => {
  const files = { [config]: { content: `static-auth-secret=${weak}\n` } };
  const made = await turnSecretHandler.create(new FakeHost({ answers, files }), { server: "s" });
  expect(made.secret).toMatch(/^[\w-]{43}$/);
  expect(made.secret).not.toBe(weak);
});

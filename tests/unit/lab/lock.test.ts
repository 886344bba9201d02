import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withLock } from "../../../lab/lock";

const directory = mkdtempSync(join(tmpdir(), "prosody-lock-"));
const file = join(directory, "new/lock");
afterAll(() => rmSync(directory, { recursive: true }));

test("one after the other, also when one fails", async () => {
  const events: string[] = [];
  const work = (name: string, fails: boolean) =>
    withLock(file, "waiting", async () => {
      events.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      events.push(`${name} ends`);
      if (fails) throw new Error(`${name} fails`);
      return name;
    });
  const outcomes = await Promise.allSettled([work("a", true), work("b", false), work("c", false)]);
  expect(
    outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : outcome.reason.message)),
  ).toEqual(["a fails", "b", "c"]);
  const order = events.map((event) => event.split(" ")[0]);
  expect(events).toHaveLength(6);
  for (let index = 0; index < 6; index += 2) expect(order[index]).toBe(order[index + 1]);
});

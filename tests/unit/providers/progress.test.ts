import { during, reporting } from "../../../providers/progress";
import { GroupCommit } from "../../../providers/ssh/group";

describe("progress", () => {
  const shown: string[] = [];
  const show = (text: string) => shown.push(text) > 0;
  const pause = (seconds: number) => new Promise<void>((resolve) => setTimeout(resolve, seconds * 1000));

  beforeEach(() => {
    shown.length = 0;
    jest.useFakeTimers();
  });
  afterEach(() => jest.useRealTimers());

  async function pass(seconds: number, running?: Promise<unknown>): Promise<void> {
    await jest.advanceTimersByTimeAsync(seconds * 1000);
    await running;
  }

  test("a long step is named once, a short one never, and what it notes is added", async () => {
    const running = reporting(show, async () => {
      await during("looking", () => pause(0.9));
      await during("moving", async (note) => {
        await pause(3);
        note("3 of 9");
        await pause(3);
        note("6 of 9");
        note("7 of 9");
        await pause(2);
      });
      await pause(5);
    });
    await pass(14, running);
    expect(shown).toEqual(["moving", "moving: 3 of 9", "moving: 7 of 9"]);
  });

  test("of steps in a step the inner one is shown, unless it is a short one", async () => {
    const running = reporting(show, () =>
      during("waiting for apt's lock", async () => {
        for (let attempt = 0; attempt < 5; attempt++) {
          await during("installing prosody", () => pause(0.3));
          await pause(2);
        }
        await during("installing prosody", () => pause(3));
      }),
    );
    await pass(15, running);
    expect(shown).toEqual(["waiting for apt's lock", "installing prosody"]);
  });

  test("operations at the same time are told apart, and a step that fails is over", async () => {
    const one = reporting(show, async () => {
      await during("failing", () => pause(0.5).then(() => Promise.reject(new Error()))).catch(
        () => undefined,
      );
      await pause(3);
    });
    const other: string[] = [];
    const two = reporting(
      (text) => other.push(text),
      () => during("working", () => pause(3)),
    );
    await pass(4, Promise.all([one, two]));
    expect(shown).toEqual([]);
    expect(other).toEqual(["working"]);
  });

  test("what is committed for several is shown where the first of them is", async () => {
    const group = new GroupCommit<string, string>();
    const commit = (items: string[]) =>
      during(`making ${items.join(", ")}`, () => pause(2).then(() => items));
    const texts: Record<string, string[]> = { a: [], b: [], c: [] };
    const add = (item: string) =>
      reporting(
        (text) => texts[item]!.push(text),
        () => group.add(item, commit),
      );
    const running = [add("a")];
    await pass(0.5);
    running.push(add("b"), add("c"));
    await pass(5, Promise.all(running));
    expect(texts).toEqual({ a: ["making a"], b: ["making b, c"], c: [] });
  });

  test("where nobody reports, a step just runs", async () => {
    await pass(
      3,
      during("working", () => pause(2)),
    );
    expect(shown).toEqual([]);
  });
});

import type { Connection } from "../../../../providers/ssh/connection";
import { type Link, SharedLink } from "../../../../providers/ssh/link";

/** A link that the test can lose. */
function link() {
  const lost: (() => void)[] = [];
  const connection = { onLost: (listener: () => void) => lost.push(listener) } as unknown as Connection;
  const made: Link = { connection, access: { root: "login", encode: false } };
  return { made, lose: () => lost.map((listener) => listener()) };
}

test("everybody shares one connection, until it is lost", async () => {
  const links = [link(), link()];
  const open = jest.fn().mockResolvedValueOnce(links[0]!.made).mockResolvedValueOnce(links[1]!.made);
  const shared = new SharedLink(open);
  expect(await Promise.all([shared.get(), shared.get()])).toEqual([links[0]!.made, links[0]!.made]);
  expect(open).toHaveBeenCalledTimes(1);
  expect(await shared.current()).toBe(links[0]!.made);
  links[0]!.lose();
  expect(await shared.current()).toBeUndefined();
  expect(await shared.get()).toBe(links[1]!.made);
});

test("the loss of an old connection does not touch the new one", async () => {
  const links = [link(), link()];
  const open = jest.fn().mockResolvedValueOnce(links[0]!.made).mockResolvedValueOnce(links[1]!.made);
  const shared = new SharedLink(open);
  await shared.get();
  links[0]!.lose();
  await shared.get();
  links[0]!.lose();
  expect(await shared.get()).toBe(links[1]!.made);
  expect(open).toHaveBeenCalledTimes(2);
});

test("a failure is everybody's for ten seconds, then it is tried again", async () => {
  let now = 0;
  const good = link();
  const open = jest.fn().mockRejectedValueOnce(new Error("refused")).mockResolvedValueOnce(good.made);
  const shared = new SharedLink(open, () => now);
  const both = await Promise.allSettled([shared.get(), shared.get()]);
  expect(both.map((result) => (result as PromiseRejectedResult).reason.message)).toEqual([
    "refused",
    "refused",
  ]);
  now = 9_999;
  await expect(shared.get()).rejects.toThrow("refused");
  expect(open).toHaveBeenCalledTimes(1);
  now = 10_000;
  expect(await shared.get()).toBe(good.made);
  expect(await shared.get()).toBe(good.made);
  expect(open).toHaveBeenCalledTimes(2);
});

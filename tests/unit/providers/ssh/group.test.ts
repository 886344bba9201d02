import { FactCache, GroupCommit } from "../../../../providers/ssh/group";

/** A promise that the test settles. */
function deferred<T = void>() {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Until everything that is due has happened. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A commit that gives each item back, and what it was called with. */
function recorder<T>() {
  const batches: T[][] = [];
  const commit = async (items: T[]) => {
    batches.push(items);
    return items;
  };
  return { batches, commit };
}

describe("group commit", () => {
  test("what arrives during a commit is committed together right after it, in order", async () => {
    const group = new GroupCommit<number, string>();
    const batches: number[][] = [];
    const gates = [deferred(), deferred()];
    const commit = async (items: number[]) => {
      batches.push(items);
      await gates[batches.length - 1]!.promise;
      return items.map((item) => `done ${item}`);
    };
    const first = group.add(1, commit);
    await settle();
    const later = [2, 3, 4].map((item) => group.add(item, commit));
    await settle();
    expect(batches).toEqual([[1]]);
    gates[0]!.resolve();
    expect(await first).toBe("done 1");
    await settle();
    expect(batches).toEqual([[1], [2, 3, 4]]);
    gates[1]!.resolve();
    expect(await Promise.all(later)).toEqual(["done 2", "done 3", "done 4"]);
  });

  test("what is called in one go is one commit", async () => {
    const group = new GroupCommit<number, number>();
    const { batches, commit } = recorder<number>();
    expect(await Promise.all([1, 2, 3].map((item) => group.add(item, commit)))).toEqual([1, 2, 3]);
    expect(batches).toEqual([[1, 2, 3]]);
  });

  test("a slow commit waits until nobody has come for a while", async () => {
    const group = new GroupCommit<string, string>();
    const { batches, commit } = recorder<string>();
    const first = group.add("a", commit, 50);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await Promise.all([first, group.add("b", commit, 50)]);
    expect(batches).toEqual([["a", "b"]]);
  });

  test("who came while the process was busy comes along", async () => {
    const group = new GroupCommit<string, string>();
    const { batches, commit } = recorder<string>();
    const first = group.add("a", commit, 20);
    const second = new Promise<string>((resolve) =>
      setImmediate(() => {
        setImmediate(() => resolve(group.add("b", commit, 20)));
        for (const start = performance.now(); performance.now() - start < 60; );
      }),
    );
    await Promise.all([first, second]);
    expect(batches).toEqual([["a", "b"]]);
  });

  test("an Error as a result rejects that item alone", async () => {
    const group = new GroupCommit<number, string>();
    const commit = async (items: number[]) =>
      items.map((item) => (item === 2 ? new Error("two is bad") : `done ${item}`));
    const results = await Promise.allSettled([1, 2, 3].map((item) => group.add(item, commit)));
    expect(results).toEqual([
      { status: "fulfilled", value: "done 1" },
      { status: "rejected", reason: new Error("two is bad") },
      { status: "fulfilled", value: "done 3" },
    ]);
  });

  test("a commit that throws rejects its items, and the next commit goes on", async () => {
    const group = new GroupCommit<string, string>();
    const gate = deferred();
    const first = group.add("a", async () => {
      await gate.promise;
      throw new Error("host is gone");
    });
    await settle();
    const second = group.add("b", async (items) => items);
    gate.resolve();
    await expect(first).rejects.toThrow(new Error("host is gone"));
    // The commit that is given with the batch's first item is the one that runs.
    await expect(second).resolves.toBe("b");
    await expect(group.add("c", async (items) => items)).resolves.toBe("c");
  });

  test("a commit that loses an item is an error", async () => {
    const group = new GroupCommit<number, number>();
    await expect(Promise.all([1, 2].map((item) => group.add(item, async () => [1])))).rejects.toThrow(
      new Error("a group commit of 2 items returned 1 results"),
    );
  });
});

describe("sharing of facts", () => {
  let now = 0;
  let reads = 0;
  const fact = { name: "uptime", script: "uptime", parse: Number };
  const cached = () => {
    now = 0;
    reads = 0;
    return new FactCache(() => now);
  };
  const read = async () => ++reads;

  test("readers share one reading while it is under way and until nobody has asked for a second", async () => {
    const cache = cached();
    const gate = deferred();
    const slow = async () => {
      await gate.promise;
      return ++reads;
    };
    const readers = [cache.get(fact, slow), cache.get(fact, slow)];
    now = 5000; // it takes its time
    readers.push(cache.get(fact, slow));
    gate.resolve();
    expect(await Promise.all(readers)).toEqual([1, 1, 1]);
    now = 5999;
    expect(await cache.get(fact, read)).toBe(1);
    now = 6998; // a second after it was last asked for, not after it was read
    expect(await cache.get(fact, read)).toBe(1);
    now = 7998;
    expect(await cache.get(fact, read)).toBe(2);
  });

  test("facts of different names are different", async () => {
    const cache = cached();
    expect(await cache.get(fact, read)).toBe(1);
    expect(await cache.get({ ...fact, name: "other" }, read)).toBe(2);
  });

  test("a failure reaches those who share it, and is not kept", async () => {
    const cache = cached();
    const fail = async () => {
      reads++;
      throw new Error("unreachable");
    };
    const both = await Promise.allSettled([cache.get(fact, fail), cache.get(fact, fail)]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(reads).toBe(1);
    expect(await cache.get(fact, read)).toBe(2);
  });

  test("after a change nothing read before it or during it is shared", async () => {
    const cache = cached();
    expect(await cache.get(fact, read)).toBe(1);
    const gate = deferred();
    const change = cache.change(() => gate.promise);
    expect(await cache.get(fact, read)).toBe(2);
    expect(await cache.get(fact, read)).toBe(2);
    gate.resolve();
    await change;
    expect(await cache.get(fact, read)).toBe(3);
  });

  test("a reading that began before a change and ends after it is not shared", async () => {
    const cache = cached();
    const gate = deferred();
    const old = cache.get(fact, async () => {
      await gate.promise;
      return -1;
    });
    await cache.change(async () => {});
    gate.resolve();
    expect(await old).toBe(-1);
    expect(await cache.get(fact, read)).toBe(1);
  });

  test("what lasts is read once, whatever time passes and whatever changes", async () => {
    const cache = cached();
    const lasting = { ...fact, name: "distribution", lasting: true } as const;
    expect(await cache.get(lasting, read)).toBe(1);
    now = 120_000;
    await cache.change(async () => {});
    expect(await cache.get(lasting, read)).toBe(1);
  });

  test("a failed change ends the sharing, too", async () => {
    const cache = cached();
    await cache.get(fact, read);
    await expect(
      cache.change(async () => {
        throw new Error("half done");
      }),
    ).rejects.toThrow("half done");
    expect(await cache.get(fact, read)).toBe(2);
  });
});

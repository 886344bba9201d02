import assert from "node:assert/strict";
import { AsyncResource } from "node:async_hooks";
import { setImmediate as immediate } from "node:timers/promises";
import type { Fact } from "../host";
import { wait } from "../wait";

/** How long a fact is shared after it was read or asked for: milliseconds; and for how long in all. */
const freshFor = 1000;
const freshAtMost = 60_000;

type Commit<T, R> = (items: T[]) => Promise<(R | Error)[]>;

interface Pending<T, R> {
  item: T;
  commit: Commit<T, R>;
  resolve(result: R): void;
  reject(error: Error): void;
}

/**
 * Group commit: one commit at a time; items that arrive meanwhile wait and are committed together next.
 * The engine hands over resources one by one, so this is what keeps N resources from being N round trips.
 */
export class GroupCommit<T, R> {
  #waiting: Pending<T, R>[] = [];
  #busy = false;
  /** When the last one came. */
  #came = 0;

  /**
   * @param commit returns one result per item, in their order; an `Error` rejects that item alone. The first item's
   *   commits them all.
   * @param gather milliseconds in which nobody else must have come before a commit begins: for those that take
   *   so long that it is worth waiting for the others. Default 0: only who calls in this very moment comes along
   * @throws Error that `commit` returned for the item, or threw for all of them
   */
  add(item: T, commit: Commit<T, R>, gather = 0): Promise<R> {
    return new Promise((resolve, reject) => {
      // Progress is shown where the first item of a commit is.
      this.#waiting.push({ item, commit: AsyncResource.bind(commit), resolve, reject });
      this.#came = performance.now();
      if (!this.#busy) void this.#work(gather);
    });
  }

  async #work(gather: number): Promise<void> {
    this.#busy = true;
    const left = () => this.#came + gather - performance.now();
    await undefined;
    while (this.#waiting.length > 0) {
      while (left() > 0) {
        await wait(left());
        // Whoever came while this process was busy with others is let in before it is said that nobody did.
        await immediate();
      }
      const batch = this.#waiting.splice(0);
      try {
        const results = await batch[0]!.commit(batch.map(({ item }) => item));
        assert(
          results.length === batch.length,
          `a group commit of ${batch.length} items returned ${results.length} results`,
        );
        batch.forEach(({ resolve, reject }, index) => {
          const result = results[index]!;
          if (result instanceof Error) reject(result);
          else resolve(result);
        });
      } catch (error) {
        for (const { reject } of batch) reject(error as Error);
      }
    }
    this.#busy = false;
  }
}

interface Reading<T> {
  fact: Fact<T>;
  value: Promise<T>;
  /** When somebody last asked for it, and when it was there. */
  asked: number;
  finished?: number;
}

/** Shares what was read from a host among those who ask for it at about the same time. */
export class FactCache {
  #reads = new Map<string, Reading<unknown>>();

  /** @param now milliseconds of a clock that never goes back */
  constructor(private readonly now: () => number = () => performance.now()) {}

  /**
   * The value being read, or read or asked for within the last second, or else a new reading: a thousand resources
   * that are read one after the other take a while, and share one. Failures are not kept.
   */
  get<T>(fact: Fact<T>, read: () => Promise<T>): Promise<T> {
    const now = this.now();
    const known = this.#reads.get(fact.name);
    if (known && (known.finished === undefined || this.#isFresh(known, known.finished, now))) {
      known.asked = now;
      return known.value as Promise<T>;
    }
    const value = read();
    const reading: Reading<T> = { fact, value, asked: now };
    this.#reads.set(fact.name, reading as Reading<unknown>);
    value.then(
      () => {
        reading.finished = this.now();
      },
      () => {
        if (this.#reads.get(fact.name)?.value === value) this.#reads.delete(fact.name);
      },
    );
    return value;
  }

  #isFresh({ fact, asked }: Reading<unknown>, finished: number, now: number): boolean {
    if (fact.lasting) return true;
    return now - Math.max(finished, asked) < freshFor && now - finished < freshAtMost;
  }

  #forget(): void {
    for (const [name, { fact }] of this.#reads) if (!fact.lasting) this.#reads.delete(name);
  }

  /** Runs a change of the host: nothing read before its start, or during it, is shared after its end. */
  async change<T>(action: () => Promise<T>): Promise<T> {
    this.#forget();
    try {
      return await action();
    } finally {
      this.#forget();
    }
  }
}

/** Lets a limited number in at once, the others in the order in which they came. */
export class Queue {
  #inside = 0;
  readonly #waiting: (() => void)[] = [];
  #onIdle: (() => void)[] = [];

  constructor(private readonly places: number) {}

  /** Runs the action once there is a place for it. */
  async run<T>(action: () => Promise<T>): Promise<T> {
    if (this.#inside < this.places) this.#inside++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve)); // takes over the place of one who leaves
    try {
      return await action();
    } finally {
      this.#leave();
    }
  }

  /** Until nobody is inside or waiting. */
  async idle(): Promise<void> {
    if (this.#inside > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else if (--this.#inside === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}

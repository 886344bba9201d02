import { inspect } from "node:util";

/**
 * A value that must not be shown: it prints and serialises as `[secret]`, so that no log, error or plain
 * state can carry it by accident. `reveal()` is the only way to the text.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text in clear. Call it where the value is handed over (`pulumi.secret`, SSH), never to format it. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [inspect.custom](): string {
    return "[secret]";
  }
}

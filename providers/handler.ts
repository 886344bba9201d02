import type { Host } from "./host";

/**
 * Create, read, update and delete of one kind of object on a host.
 *
 * `State` mirrors `Inputs`: under the same names it holds what is really on the host, so that the default diff
 * and a preview's `actual => wanted` need no code of their own. It may hold more (a version, an expiry date).
 */
export interface Handler<Inputs extends Common, State extends Common> {
  /** Names of the inputs that `read` finds on the host, and that the default diff compares. */
  readonly inputs: readonly (keyof Inputs & keyof State & string)[];

  /** Inputs that can't change in place; default: `server` and whatever the id is made of. */
  readonly replaceOn?: readonly (keyof Inputs & string)[];

  /** Natural key of the object: domain, JID, unit, package name. */
  id(inputs: Inputs): string;

  /** Pure: problems of the inputs that need no host. Unknown values (first preview) are not passed in. */
  check?(inputs: Inputs): { property: string; reason: string }[];

  /** Pure: completes the program's inputs with what the last state knows (a version, say). */
  complete?(inputs: Inputs, old: Inputs | undefined): Inputs;

  /** Pure and local: names of what differs. Default: deep comparison of every name in {@link inputs}. */
  diff?(state: State, inputs: Inputs): string[] | Promise<string[]>;

  /** Makes the object, or adopts what already matches. */
  create(host: Host, inputs: Inputs): Promise<State>;

  /** What is really there; `undefined` when the object is gone. */
  read(host: Host, state: State): Promise<State | undefined>;

  update(host: Host, state: State, inputs: Inputs): Promise<State>;

  /** Removes what the stack made; succeeds when it is gone already. */
  delete(host: Host, state: State): Promise<void>;

  /** Seconds that one operation may take; default 120. */
  readonly timeout?: number;
}

/** What the inputs and the state of every kind hold. */
export interface Common {
  /** Name of the server in the stack config: the provider finds the host's address and credentials by it. */
  server: string;
}

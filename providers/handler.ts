import { isDeepStrictEqual } from "node:util";
import type { Host } from "./host";

/**
 * Create, read, update and delete of one kind of object on a host, or on what else belongs to a server.
 *
 * `State` mirrors `Inputs`: under the same names it holds what is really on the host, so that the default diff
 * and a preview's `actual => wanted` need no code of their own. It may hold more (a version, an expiry date).
 */
export interface Handler<Inputs extends Common, State extends Common, Target = Host> {
  /** Names of the inputs that `read` finds on the host, and that the default diff compares. */
  readonly inputs: readonly (keyof Inputs & keyof State & string)[];

  /** Inputs that can't change in place, beside `server`; none by default. */
  readonly replaceOn?: readonly (keyof Inputs & string)[];

  /**
   * Runs an operation on what the object lies on, where that is not the server's host: a name server, say. Address
   * and credentials come from the stack config, by the server's name, and are in no resource.
   */
  readonly use?: <T>(server: string, operation: (target: Target) => Promise<T>) => Promise<T>;

  /** Natural key of the object: domain, JID, unit, package name. */
  id(inputs: Inputs): string;

  /** Pure: problems of the inputs that need no host. Unknown values (first preview) are not passed in. */
  check?(inputs: Inputs): { property: string; reason: string }[];

  /** Pure: completes the program's inputs with what the last state knows (a version, say). */
  complete?(inputs: Inputs, old: Inputs | undefined): Inputs;

  /** Pure and local: names of what differs. Default: deep comparison of every name in {@link inputs}. */
  diff?(state: State, inputs: Inputs): string[] | Promise<string[]>;

  /** Makes the object, or adopts what already matches. */
  create(target: Target, inputs: Inputs): Promise<State>;

  /** What is really there; `undefined` when the object is gone. */
  read(target: Target, state: State): Promise<State | undefined>;

  /**
   * Pure: what the state says when the host can't be reached or is another stack's, but the stack has other servers to
   * go on with. Default: what it said last, because the server's {@link Connection} shows what is wrong.
   */
  lost?(state: State, error: Error): State;

  update(target: Target, state: State, inputs: Inputs): Promise<State>;

  /**
   * Removes what the stack made; succeeds when it is gone already.
   * @param isDestroy no program runs that could want the object no more: the whole stack goes, or what `--target` names
   */
  delete(target: Target, state: State, isDestroy?: boolean): Promise<void>;

  /** Seconds that one operation may take; default 120. */
  readonly timeout?: number;
}

/** What the inputs and the state of every kind hold. */
export interface Common {
  /** Name of the server in the stack config: the provider finds the host's address and credentials by it. */
  server: string;
}

/** Names among these whose values differ in depth: the default {@link Handler.diff}, of all {@link Handler.inputs}. */
export function unequal<Name extends string>(
  names: readonly Name[],
  state: Partial<Record<Name, unknown>>,
  inputs: Partial<Record<Name, unknown>>,
): Name[] {
  return names.filter((name) => !isDeepStrictEqual(state[name], inputs[name]));
}

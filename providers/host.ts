import type { Readable, Writable } from "node:stream";

/** What a handler may ask of a host. The implementation over SSH is in `ssh/`; unit tests use a recorded one. */
export interface Host {
  /** Name of the server in the stack config; errors carry it. */
  readonly name: string;

  /**
   * Runs a POSIX shell script as root, over the one pooled connection.
   * The script is visible in the host's process list: secrets go into `input`, never into the script. Build it
   * with {@link sh}, which quotes. A long one may tell how far it is by lines "progress: 412 of 1000" on its standard
   * error; they are shown where the engine shows the resource, and taken out of what is returned.
   * @throws Error with host, what was tried, exit code and the last lines of stderr, for an exit code that
   *   `accept` does not list or when `timeout` is over.
   */
  run(script: string, options: RunOptions): Promise<RunResult>;

  /**
   * The current value of a fact. Calls that arrive while the same fact is being read, or within a second after
   * it was, share one remote command; a change made through {@link run} with `changes: true` or
   * {@link group} ends that sharing at once.
   */
  fact<T>(fact: Fact<T>): Promise<T>;

  /**
   * Group commit: calls with the same `key` that arrive while a commit is in flight are committed together
   * right after it, in the order in which they came. `commit` returns one result per item; an `Error` as a
   * result rejects that item alone.
   * @param gather milliseconds of quiet that a commit waits for, so that others come along: for slow ones. Default 0
   */
  group<T, R>(
    key: string,
    item: T,
    commit: (items: T[]) => Promise<(R | Error)[]>,
    gather?: number,
  ): Promise<R>;
}

export interface RunOptions {
  /** What is being tried, for errors: "installing prosody". */
  doing: string;
  /** For what is too big to be held in memory: sent after `input`, and taken instead of `stdout`. */
  streams?: { input?: Readable; output?: Writable };
  /** Sent to the script's standard input. */
  input?: string | Buffer;
  /** Seconds, besides those that `input` takes over a slow link; default 60. */
  timeout?: number;
  /** Exit codes that are no error; default [0]. */
  accept?: number[];
  /** The script changes the host: facts read before it are out of date. */
  changes?: boolean;
  /** The script only reads: on the host it may go on while what it prints comes over a slow link. */
  reads?: boolean;
  /** The script reads, and is done in a moment: it may share a remote command with others that do. */
  together?: boolean;
  /** What the user can do when it fails. */
  fix?: string;
}

export interface RunResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** One remote command that changes nothing, and the parser of what it prints. */
export interface Fact<T> {
  /** Unique; with parameters, they are part of it. */
  readonly name: string;
  readonly script: string;
  /** Sent to the script's standard input. */
  readonly input?: string | Buffer;
  readonly parse: (stdout: string) => T;
  /** It does not change while this program works on the host, whatever else does. */
  readonly lasting?: true;
  /** It may take longer than others, which need not wait for it in a shared command. */
  readonly alone?: true;
}

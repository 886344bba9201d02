import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Client } from "ssh2";
import { collect, type Exchange, type Outcome } from "./exec";

/** Seconds between two signs of life that are asked for while something runs, and how many may stay away. */
const probeEvery = 5;
const probesMissed = 4;

/** The script has certainly not been started. */
export class NotStarted extends Error {}

/** What ssh2 says when a channel was not opened. */
const notStarted = /^(?:\(SSH\) Channel open failure|No response from server|Not connected)/;

/** A command that was started. */
export interface Running {
  outcome: Promise<Outcome>;
  /** Ends the session; the command itself may go on. */
  close(): void;
}

/** An SSH connection that is logged in. */
export class Connection {
  /** Why it is no longer usable. */
  lost: string | undefined;
  readonly #onLost: (() => void)[] = [];
  #busy = 0;
  #probe: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: Client,
    /** The TCP connection; with a jump host, the one to that. The only handle that keeps the process alive. */
    readonly socket: Socket,
  ) {
    client.on("error", (error) => this.#fail(error.message));
    client.on("close", () => this.#fail("the host closed the connection"));
  }

  #fail(reason: string): void {
    if (this.lost !== undefined) return;
    this.lost = reason;
    clearInterval(this.#probe);
    for (const listener of this.#onLost) listener();
  }

  onLost(listener: () => void): void {
    if (this.lost !== undefined) listener();
    else this.#onLost.push(listener);
  }

  /**
   * Starts a command.
   * @param seconds until the host must have answered
   * @throws NotStarted when it was refused, or the connection was gone before it could start
   * @throws Error when it may have started
   */
  start(command: string, input: Buffer, seconds: number, exchange?: Exchange): Promise<Running> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.destroy(`it opened no session within ${seconds} s`);
        reject(new Error(this.lost));
      }, seconds * 1000);
      const refuse = ({ message }: Error) => {
        clearTimeout(timer);
        const reason = this.lost ?? message;
        reject(notStarted.test(message) ? new NotStarted(reason) : new Error(reason));
      };
      try {
        this.client.exec(command, (error, channel) => {
          if (error) return refuse(error);
          clearTimeout(timer);
          // Before any await: the exit status of a short command is in the same packet.
          resolve({ outcome: collect(channel, input, exchange), close: () => channel.close() });
        });
      } catch (error) {
        refuse(error as Error);
      }
    });
  }

  /**
   * A TCP connection from this host to another one.
   * @param seconds until the host must have answered
   */
  forward(address: string, port: number, seconds: number): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer within ${seconds} s`)), seconds * 1000);
      this.client.forwardOut("127.0.0.1", 0, address, port, (error, channel) => {
        clearTimeout(timer);
        if (error)
          reject(new Error(error.message.replace(/^\(SSH\) Channel open failure: /, "") || "it refused"));
        else resolve(channel);
      });
    });
  }

  /** Keeps the process alive, and looks whether the host still answers, until `release` is called as often. */
  hold(): void {
    if (this.#busy++ > 0 || this.lost !== undefined) return;
    this.socket.ref();
    let missed = 0;
    this.#probe = setInterval(() => {
      if (missed++ >= probesMissed) this.destroy(`no answer for ${probeEvery * probesMissed} s`);
      else
        this.#ask(() => {
          missed = 0;
        });
    }, probeEvery * 1000);
  }

  /** Sends a global request that changes nothing, and that every server must answer (RFC 4254, 4 and 7.1). */
  #ask(answered: () => void): void {
    try {
      this.client.unforwardIn("127.0.0.1", 1, answered);
    } catch (error) {
      this.destroy((error as Error).message);
    }
  }

  release(): void {
    if (--this.#busy > 0) return;
    clearInterval(this.#probe);
    this.socket.unref();
  }

  end(): void {
    this.client.end();
  }

  destroy(reason: string): void {
    this.#fail(reason);
    this.client.destroy();
    this.socket.destroy();
  }
}

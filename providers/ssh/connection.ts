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
  /** Probes since anything came from the host, and how often something came. */
  #missed = 0;
  #heard = 0;

  constructor(
    private readonly client: Client,
    /** The TCP connection; with a jump host, the one to that. The only handle that keeps the process alive. */
    readonly socket: Socket,
    /** What comes from the host itself; with a jump host, the tunnel through that. */
    stream: Duplex,
  ) {
    client.on("error", (error) => this.#fail(error.message));
    client.on("close", () => this.#fail("the host closed the connection"));
    // Over a slow link, the answer to a probe comes after much else, which is a sign of life as good.
    stream.on("data", () => {
      this.#heard++;
      this.#missed = 0;
    });
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
   * @param seconds until the host must have answered; over a slow link that is busy, once it has what was sent before
   * @throws NotStarted when it was refused, or the connection was gone before it could start
   * @throws Error when it may have started
   */
  async start(command: string, input: Buffer, seconds: number, exchange?: Exchange): Promise<Running> {
    let timer: NodeJS.Timeout | undefined;
    this.hold();
    try {
      return await new Promise((resolve, reject) => {
        let heard = this.#heard;
        let hasAll = false;
        const limit = () => {
          timer = setTimeout(late, seconds * 1000);
        };
        const late = () => {
          if (hasAll || heard === this.#heard) {
            this.destroy(`it opened no session within ${seconds} s`);
            return reject(new Error(this.lost));
          }
          heard = this.#heard;
          limit();
        };
        limit();
        this.#ask(() => {
          hasAll = true;
          timer?.refresh();
        });
        const refuse = ({ message }: Error) => {
          const reason = this.lost ?? message;
          reject(notStarted.test(message) ? new NotStarted(reason) : new Error(reason));
        };
        try {
          this.client.exec(command, (error, channel) => {
            if (error) return refuse(error);
            // Before any await: the exit status of a short command is in the same packet.
            const outcome = collect(channel, input, { ...exchange, arrived: () => this.#arrived() });
            resolve({ outcome, close: () => channel.close() });
          });
        } catch (error) {
          refuse(error as Error);
        }
      });
    } finally {
      clearTimeout(timer);
      this.release();
    }
  }

  /** Resolves once the host has all that was sent, or is lost. */
  #arrived(): Promise<void> {
    return new Promise((resolve) => {
      this.onLost(resolve);
      this.#ask(resolve);
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
    this.#missed = 0;
    this.#probe = setInterval(() => {
      if (this.#missed++ >= probesMissed) this.destroy(`no answer for ${probeEvery * probesMissed} s`);
      else
        this.#ask(() => {
          this.#missed = 0;
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

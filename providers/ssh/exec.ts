import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ClientChannel } from "ssh2";
import { printable } from "./errors";

/** What became of a command. Without code and signal, the connection was lost. */
export interface Outcome {
  code?: number;
  signal?: string;
  stdout: string;
  stderr: string;
  /** It printed more than {@link outputLimit}, and the rest was not read. */
  tooMuch: boolean;
  /** Why a stream ended early on this side. */
  broken?: string;
}

/** What is too big to be held in memory. */
interface Streams {
  /** Sent to the command after its other input. */
  input?: Readable;
  /** Gets the standard output, and is left open at its end. */
  output?: Writable;
}

/** Bytes of output that are read of one command. */
export const outputLimit = 64 * 1024 * 1024;

/** Milliseconds after a command's end in which its output may still arrive. */
const outputGrace = 2000;

/** A line of the standard error that tells how far a command is; it is no part of what it says. */
const noteLine = /^progress: (.*)\n/gm;

export interface Exchange {
  streams?: Streams;
  /** Gets what the command notes of its progress, see {@link RunOptions} in `host.ts`. */
  note?(detail: string): void;
  /** Gets how many bytes of output have come. */
  took?(bytes: number): void;
  limit?: number;
  /** Resolves once the host has what was sent. */
  arrived?(): Promise<void>;
}

/** Bytes of input that go at once, at first and at least, and at most. */
const least = 32 * 1024;
const most = 1024 * 1024;

/** Milliseconds that these may take: what others send at the same time comes after them. */
const mayTake = 1000;

/** The input in pieces of which each goes once the one before has arrived, as large as the link takes in a moment. */
async function* paced(input: Buffer, more: Iterable<Buffer> | Readable, arrived: () => Promise<void>) {
  let size = least;
  let left = size;
  for (const source of [[input], more])
    for await (const chunk of source)
      for (let at = 0; at < chunk.length; at += least) {
        if (left <= 0) {
          const since = performance.now();
          await arrived();
          size = performance.now() - since < mayTake ? Math.min(size * 2, most) : Math.max(size / 2, least);
          left = size;
        }
        left -= least;
        yield chunk.subarray(at, at + least);
      }
}

/** Hands the input to a running command and collects what it prints until it ends. */
export function collect(
  channel: ClientChannel,
  input: Buffer,
  { streams = {}, note, took, limit = outputLimit, arrived = async () => undefined }: Exchange = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let size = 0;
    let code: number | undefined;
    let signal: string | undefined;
    let grace: NodeJS.Timeout | undefined;
    let isDone = false;
    let broken: string | undefined;
    // A command that gets no end of its input, or whose output nobody takes, must not end as if all were well.
    const breakOff = (error: Error) => {
      broken ??= error.message;
      channel.destroy();
      done();
    };
    const done = (tooMuch = false) => {
      if (isDone) return;
      isDone = true;
      clearTimeout(grace);
      const text = (parts: Buffer[]) => Buffer.concat(parts).toString("utf8");
      const said = text(stderr).replace(noteLine, "");
      resolve({ code, signal, stdout: text(stdout), stderr: said, tooMuch, broken });
    };
    const take = (parts: Buffer[]) => (data: Buffer) => {
      size += data.length;
      took?.(data.length);
      if (size <= limit) parts.push(data);
      else done(true);
    };
    const taken = streams.output && pipeline(channel, streams.output, { end: false }).catch(breakOff);
    if (!streams.output) channel.on("data", take(stdout));
    channel.stderr.on("data", take(stderr));
    channel.stderr.on("data", (data: Buffer) => {
      const [, detail] = [...data.toString("utf8").matchAll(noteLine)].at(-1) ?? [];
      if (detail !== undefined) note?.(printable(detail));
    });
    channel.on("error", () => {}); // told by close
    channel.on("exit", (exitCode: number | null, name?: string) => {
      code = exitCode ?? undefined;
      signal = name;
      // A process that stays in the background with the output open must not keep the command from ending.
      if (streams.output) return; // nobody knows how long it takes to write what has arrived
      grace = setTimeout(() => {
        channel.close();
        done();
      }, outputGrace);
    });
    channel.on("close", () => (taken ? taken.then(() => done()) : done()));
    if (!streams.input && input.length <= least) channel.end(input);
    // What ends before it has read everything says why by its exit code.
    else {
      streams.input?.on("error", breakOff);
      Readable.from(paced(input, streams.input ?? [], arrived))
        .on("error", breakOff)
        .pipe(channel);
    }
  });
}

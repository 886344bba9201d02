import type { ClientChannel } from "ssh2";

/** What became of a command. Without code and signal, the connection was lost. */
export interface Outcome {
  code?: number;
  signal?: string;
  stdout: string;
  stderr: string;
  /** It printed more than {@link outputLimit}, and the rest was not read. */
  tooMuch: boolean;
}

/** Bytes of output that are read of one command. */
export const outputLimit = 64 * 1024 * 1024;

/** Milliseconds after a command's end in which its output may still arrive. */
const outputGrace = 2000;

/** Hands the input to a running command and collects what it prints until it ends. */
export function collect(channel: ClientChannel, input: Buffer, limit = outputLimit): Promise<Outcome> {
  return new Promise((resolve) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let size = 0;
    let code: number | undefined;
    let signal: string | undefined;
    let grace: NodeJS.Timeout | undefined;
    let isDone = false;
    const done = (tooMuch = false) => {
      if (isDone) return;
      isDone = true;
      clearTimeout(grace);
      const text = (parts: Buffer[]) => Buffer.concat(parts).toString("utf8");
      resolve({ code, signal, stdout: text(stdout), stderr: text(stderr), tooMuch });
    };
    const take = (parts: Buffer[]) => (data: Buffer) => {
      size += data.length;
      if (size <= limit) parts.push(data);
      else done(true);
    };
    channel.on("data", take(stdout));
    channel.stderr.on("data", take(stderr));
    channel.on("error", () => {}); // told by close
    channel.on("exit", (exitCode: number | null, name?: string) => {
      code = exitCode ?? undefined;
      signal = name;
      // A process that stays in the background with the output open must not keep the command from ending.
      grace = setTimeout(() => {
        channel.close();
        done();
      }, outputGrace);
    });
    channel.on("close", () => done());
    channel.end(input);
  });
}

import { randomUUID } from "node:crypto";
import type { HostSettings } from "../../config/settings";
import type { Fact, Host, RunOptions, RunResult } from "../host";
import { during } from "../progress";
import { wait } from "../wait";
import { batchInput, batchResults, batchScript, parts, type Reading } from "./batch";
import { NotStarted, type Running } from "./connection";
import { diskFix, excerpt, lastLines } from "./errors";
import { type Exchange, type Outcome, outputLimit } from "./exec";
import { FactCache, GroupCommit } from "./group";
import { type Link, openLink, SharedLink } from "./link";
import { Queue } from "./queue";
import { rootCommand, rootInput, saidByScript, stopScript, sudoReason } from "./root";

/** Sessions at once on one connection. sshd's MaxSessions is 10, and it is slow to forget ended ones. */
const maxSessions = 4;

/**
 * Milliseconds between two tries to open a session that the host refused, at first and at most, and for how long it is
 * tried while none of this side's scripts has one.
 */
const retryAfter = 50;
const retryAfterAtMost = 1000;
const retryFor = 10_000;

/** Seconds that a script may take, and several that only read in one command. */
const defaultTimeout = 60;
const batchTimeout = 30;

/** Bytes a second that a script's input and output take at worst, over 64 kbit/s: the time comes on top. */
const slowest = 8000;

/** How many times its time a script that only reads has on the host, which doesn't know how much has come. */
const whileItComes = 10;

/** Milliseconds: the engine sends what it wants read one by one. */
const gatherReadings = 10;

let runs = 0;

/** A host over one SSH connection. */
export class SshHost implements Host {
  readonly #link: SharedLink;
  readonly #queue = new Queue(maxSessions);
  readonly #facts = new FactCache();
  readonly #groups = new Map<string, GroupCommit<unknown, unknown>>();
  readonly #readings = new GroupCommit<Reading, RunResult>();
  /** Scripts that have a session. */
  #running = 0;

  constructor(
    readonly name: string,
    private readonly settings: HostSettings,
  ) {
    this.#link = new SharedLink(() => openLink(settings));
  }

  /** Connects, unless it is done. Other calls do so by themselves. */
  async connect(): Promise<void> {
    await this.#link.get();
  }

  run(script: string, options: RunOptions): Promise<RunResult> {
    if (options.together) return during(options.doing, () => this.#read({ script, options }));
    const run = () =>
      during(options.doing, (note) => this.#queue.run(() => this.#execute(script, options, note)));
    return options.changes ? this.#facts.change(run) : run();
  }

  fact<T>(fact: Fact<T>): Promise<T> {
    return this.#facts.get(fact, async () => {
      const options = {
        doing: `reading ${fact.name}`,
        input: fact.input,
        reads: true,
        together: !fact.alone,
      };
      const { stdout } = await this.run(fact.script, options);
      try {
        return fact.parse(stdout);
      } catch (error) {
        throw new Error(`${this.name}: ${fact.name} can't be understood: ${(error as Error).message}`);
      }
    });
  }

  group<T, R>(
    key: string,
    item: T,
    commit: (items: T[]) => Promise<(R | Error)[]>,
    gather?: number,
  ): Promise<R> {
    let group = this.#groups.get(key) as GroupCommit<T, R> | undefined;
    if (!group) {
      group = new GroupCommit<T, R>();
      this.#groups.set(key, group as GroupCommit<unknown, unknown>);
    }
    return group.add(item, (items) => this.#facts.change(() => commit(items)), gather);
  }

  /** Ends the connection as soon as nothing runs any more. A later call makes a new one. */
  async close(): Promise<void> {
    await this.#queue.idle();
    (await this.#link.current())?.connection.end();
  }

  /** Readings that arrive while others are under way become one remote command; so do those that await the log-in. */
  async #read(reading: Reading): Promise<RunResult> {
    await this.#link.get();
    const readAll = async (readings: Reading[]) =>
      (await Promise.all(parts(readings).map((part) => this.#queue.run(() => this.#readAll(part))))).flat();
    return this.#readings.add(reading, readAll, gatherReadings);
  }

  async #readAll(readings: Reading[]): Promise<(RunResult | Error)[]> {
    const alone = ({ script, options }: Reading) =>
      this.#execute(script, options).catch((error: Error) => error);
    if (readings.length === 1) return [await alone(readings[0]!)];
    const mark = `prosody-pulumi-${randomUUID()}`;
    const doing = `reading ${readings.length} things`;
    const options = { doing, reads: true, timeout: batchTimeout, input: batchInput(readings) };
    let results: RunResult[];
    try {
      results = batchResults((await this.#execute(batchScript(readings, mark), options)).stdout, mark);
    } catch (error) {
      if (!(await this.#link.current())) throw error;
      // The host is there: each says by itself what is wrong with it.
      const each: (RunResult | Error)[] = [];
      for (const reading of readings) each.push(await alone(reading));
      return each;
    }
    return readings.map(({ script, options }, index) => {
      const { code = 255, stdout = "", stderr = "" } = results[index] ?? {};
      if ((options.accept ?? [0]).includes(code)) return { code, stdout, stderr };
      return this.#error(script, options, `failed with exit code ${code}`, stderr || stdout);
    });
  }

  async #execute(
    script: string,
    options: RunOptions,
    note: (detail: string) => void = () => undefined,
  ): Promise<RunResult> {
    const sending = Math.floor((options.input?.length ?? 0) / slowest);
    const seconds = (options.timeout ?? defaultTimeout) + sending;
    const id = `${process.pid}-${++runs}`;
    let bytes = 0;
    const took = (more: number) => {
      bytes += more;
    };
    const onHost = options.reads ? whileItComes * seconds : seconds;
    const { link, running } = await this.#start(script, id, onHost, options, { note, took });
    link.connection.hold();
    this.#running++;
    try {
      const limit = () => seconds + Math.floor(bytes / slowest);
      const outcome = await this.#within(limit, id, link, running.outcome);
      return this.#judge(outcome, script, options, link);
    } catch (error) {
      running.close();
      throw error instanceof Stopped ? this.#error(script, options, error.message) : error;
    } finally {
      this.#running--;
      link.connection.release();
    }
  }

  /** Starts the script; again on a new connection when the old one was gone before the script could start. */
  async #start(
    script: string,
    id: string,
    seconds: number,
    options: RunOptions,
    told: Pick<Exchange, "note" | "took">,
  ): Promise<{ link: Link; running: Running }> {
    let giveUp = performance.now() + retryFor;
    let pause = retryAfter;
    for (let reconnected = false; ; pause = Math.min(2 * pause, retryAfterAtMost)) {
      const link = await this.#link.get();
      link.connection.hold();
      try {
        const command = rootCommand(script, link.access, id, seconds);
        const running = await link.connection.start(
          command,
          rootInput(options.input, link.access),
          this.settings.connectTimeout,
          { streams: options.streams, ...told },
        );
        return { link, running };
      } catch (error) {
        // sshd's MaxSessions may be less than what is asked for here, and a package manager takes its time.
        if (this.#running > 0) giveUp = performance.now() + retryFor;
        const again =
          error instanceof NotStarted && (link.connection.lost ? !reconnected : performance.now() < giveUp);
        if (!again) throw this.#error(script, { doing: options.doing }, startFailure(error as Error));
        if (link.connection.lost) reconnected = true;
        else await wait(pause);
      } finally {
        link.connection.release();
      }
    }
  }

  /**
   * @param limit seconds that it may take, by what has come of it so far
   * @throws Stopped when the script was ended for taking too long or printing too much
   */
  async #within(limit: () => number, id: string, link: Link, outcome: Promise<Outcome>): Promise<Outcome> {
    const begun = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => {
      const look = () => {
        const left = begun + limit() * 1000 - performance.now();
        if (left > 0) timer = setTimeout(look, left);
        else resolve("late");
      };
      look();
    });
    const first = await Promise.race([outcome, late]).finally(() => clearTimeout(timer));
    if (first === "late")
      throw new Stopped(`was ended because it took longer than ${limit()} s${await this.#stop(id, link)}`);
    if (first.tooMuch) {
      await this.#stop(id, link);
      throw new Stopped(`was ended because it printed more than ${outputLimit / 1024 / 1024} MiB`);
    }
    return first;
  }

  /** Ends a script's processes, beside the queue: its places may all be taken by scripts that hang. */
  async #stop(id: string, { connection, access }: Link): Promise<string> {
    try {
      const command = rootCommand(stopScript(id), access, `${id}-stop`, 10);
      const running = await connection.start(command, rootInput(undefined, access), 10);
      const { stdout } = await running.outcome;
      const processes = stdout.split("\n").filter((line) => line && !/^\d+ (?:sudo|timeout|sh) /.test(line));
      return processes.length > 0
        ? `; still running: ${processes.map((line) => excerpt(line)).join(", ")}`
        : "";
    } catch (error) {
      return `; it could not be stopped: ${(error as Error).message}`;
    }
  }

  #judge(outcome: Outcome, script: string, options: RunOptions, { access, connection }: Link): RunResult {
    const { code, signal, stdout, broken } = outcome;
    const { begun, said: stderr } = saidByScript(outcome.stderr);
    if (broken !== undefined) throw this.#error(script, options, `was broken off: ${broken}`, stderr);
    if (code !== undefined && (options.accept ?? [0]).includes(code)) return { code, stdout, stderr };
    if (signal) throw this.#error(script, options, `was ended by ${signal}`, stderr);
    if (code === undefined)
      throw this.#error(
        script,
        { doing: options.doing },
        `was cut off (${connection.lost ?? "the session ended"}); it is not known how far it came`,
        stderr,
      );
    if (code === 1 && !begun && access.root !== "login" && /^sudo: /m.test(stderr))
      throw this.#error(
        script,
        options,
        `failed: ${sudoReason(stderr, this.settings.user, access.root === "password")}`,
      );
    throw this.#error(script, options, `failed with exit code ${code}`, stderr || stdout);
  }

  #error(script: string, { doing, fix }: RunOptions, what: string, output = ""): Error {
    const lines = [`${this.name}: ${doing} ${what}.`, `command: ${excerpt(script)}`, lastLines(output)];
    return new Error([...lines, diskFix(output) ?? fix ?? ""].filter(Boolean).join("\n"));
  }
}

function startFailure(error: Error): string {
  return error instanceof NotStarted
    ? `was not begun: the host opened no session (${error.message})`
    : `may not have begun: ${error.message}. See on the host whether it did`;
}

/** A script was ended from here; the message says why. */
class Stopped extends Error {}

/**
 * Connects to a host.
 * @param name of the server in the stack config
 * @throws Error with user, address and port, the reason and what to do
 */
export async function openHost(settings: HostSettings, name: string): Promise<SshHost> {
  const host = new SshHost(name, settings);
  await host.connect();
  return host;
}

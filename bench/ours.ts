import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { root } from "../config/root";
import { nodeOptions } from "../tools/engine";
import { accounts, type BenchHost } from "./hosts";
import type { Phase } from "./results";
import { type ConfigValue, type Run, Stack, secret } from "./scratch-stack";

/** What a process of a run left behind, see probe.cjs; times in milliseconds since the epoch. */
export interface Trace {
  role: "program" | "provider";
  start: number;
  end: number;
  peakKilobytes: number;
  /** Milliseconds of both cores. */
  cpu: number;
  modules: Record<string, Interval>;
  connections: Interval[];
  commands: Interval[];
}

export interface Interval {
  start: number;
  end?: number;
}

/** One timed run of the engine. */
export interface Timed {
  seconds: number;
  /** Milliseconds since the epoch. */
  start: number;
  end: number;
  traces: Trace[];
  text: string;
}

/** A stack whose phases are timed: the project itself, or the floor. */
export class TimedStack {
  readonly #probe = temporary();

  private constructor(
    readonly stack: Stack,
    /** The stack config for this many JIDs, or resources. */
    private readonly config: (count: number) => Record<string, ConfigValue>,
    private readonly count: number,
    /** What the stack config refers to. */
    private readonly files?: string,
  ) {}

  /** The project with so many JIDs on these hosts. */
  static ours(
    hosts: readonly BenchHost[],
    jids: number,
    engine: Record<string, string>,
  ): Promise<TimedStack> {
    const files = temporary();
    return TimedStack.#create(
      root,
      (count) => ourConfig(hosts, count, files),
      jids,
      engine,
      files,
      nodeOptions,
    );
  }

  /** So many resources that do nothing. */
  static floor(resources: number, engine: Record<string, string>): Promise<TimedStack> {
    return TimedStack.#create(path.join(root, "bench/floor"), (count) => ({ count }), resources, engine);
  }

  static async #create(
    program: string,
    config: (count: number) => Record<string, ConfigValue>,
    count: number,
    engine: Record<string, string>,
    files?: string,
    options = "",
  ): Promise<TimedStack> {
    const stack = await Stack.create(config(count), program);
    const timed = new TimedStack(stack, config, count, files);
    stack.env = {
      ...engine,
      NODE_OPTIONS: `--require=${path.join(root, "bench/probe.cjs")} ${options}`,
      PROSODY_PROBE: timed.#probe,
    };
    return timed;
  }

  /** @throws Error with the engine's output when it fails, or `nothing` and `preview` find something to do */
  async phase(phase: Phase): Promise<Timed> {
    if (phase === "first") await this.stack.configure(this.config(this.count));
    if (phase === "one") await this.stack.configure(this.config(this.count + 1));
    const idle = phase === "nothing" || phase === "preview" ? ["--expect-no-changes"] : [];
    if (phase === "preview") return this.timed(() => this.stack.preview(...idle));
    if (phase === "destroy") return this.timed(() => this.stack.destroy());
    return this.timed(() => this.stack.up(...idle));
  }

  async timed(action: () => Promise<Run>): Promise<Timed> {
    const start = Date.now();
    const before = performance.now();
    const { code, text } = await action();
    const seconds = (performance.now() - before) / 1000;
    if (code !== 0) throw new Error(`The engine ended with ${code}:\n${text}`);
    return { seconds, start, end: Date.now(), traces: this.#takeTraces(), text };
  }

  #takeTraces(): Trace[] {
    return fs.readdirSync(this.#probe).map((name) => {
      const file = path.join(this.#probe, name);
      const trace = JSON.parse(fs.readFileSync(file, "utf8")) as Trace;
      fs.rmSync(file);
      return trace;
    });
  }

  /** How many resources of the project's kinds the state has. */
  async resources(): Promise<number> {
    return (await this.stack.export()).match(/"type": "pulumi-nodejs:/g)?.length ?? 0;
  }

  remove(): void {
    this.stack.remove();
    for (const directory of [this.#probe, this.files])
      if (directory) fs.rmSync(directory, { recursive: true, force: true });
  }
}

const temporary = () => fs.mkdtempSync(path.join(os.tmpdir(), "prosody-bench-"));

/** More accounts than this go into a file: the engine could not hand them on. */
const most = 1500;

/**
 * A default server per host, ports let through and labelled, with accounts.
 * @param files directory for files of accounts
 */
export function ourConfig(
  hosts: readonly BenchHost[],
  jids: number,
  files = "",
): Record<string, ConfigValue> {
  const all = accounts(hosts, jids);
  const servers = hosts.map(({ lab, server, domain, tls }) => {
    const own = all.filter(({ jid }) => jid.endsWith(`@${domain}`));
    return [
      server,
      {
        host: { address: lab.address, privateKeyFile: lab.privateKeyFile, hostKey: lab.hostKey },
        domains: {
          [domain]: {
            certificate: tls.certificateFile,
            keyFile: tls.keyFile,
            intermediates: [tls.intermediateFile],
          },
        },
        ...(jids > most
          ? { jidsFile: jidsFile(path.join(files, `jids-${server}.yaml`), own) }
          : { jids: Object.fromEntries(own.map(({ jid, password }) => [jid, secret(password)])) }),
        firewall: "require",
        selinux: "require",
      },
    ] as const;
  });
  return servers.length === 1 ? servers[0]![1] : { servers: Object.fromEntries(servers) };
}

function jidsFile(file: string, accounts: { jid: string; password: string }[]): string {
  fs.writeFileSync(file, accounts.map(({ jid, password }) => `${jid}: '${password}'\n`).join(""), {
    mode: 0o600,
  });
  return file;
}

import { Socket } from "node:net";
import { type ProviderConfig, parseHosts } from "../../config/load";
import type { HostSettings } from "../../config/settings";
import type { Host } from "../host";
import { SshHost } from "./host";

export { openHost } from "./host";

/** The hosts of this run, each with its one connection. */
class Pool {
  #config: ProviderConfig | undefined;
  #settings: Map<string, HostSettings> | undefined;
  #exiting = false;
  readonly #operations = new Set<Promise<unknown>>();
  readonly #hosts = new Map<string, SshHost>();

  /**
   * Keeps the configuration; what it says is looked at when the first host is asked for. Called in the provider
   * process alone, so that is also where it takes over the signals.
   */
  configure(config: ProviderConfig): void {
    if (!this.#config) {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => this.#exit());
      onceAbandoned(() => this.#exit());
    }
    this.#config = config;
    this.#settings = undefined;
  }

  /** What {@link configure} was given; without it there is nothing in it. */
  get config(): ProviderConfig {
    return this.#config ?? { get: () => undefined };
  }

  /**
   * The engine starts the provider in a process group of its own: ^C in the terminal does not come here, and
   * operations in flight go on. When the run is over the engine sends SIGINT, and waits 5 s for the exit. Something
   * is still in flight then only after a second ^C: it gets these 5 s, so that it is not left half-done.
   */
  async #exit(): Promise<void> {
    if (this.#exiting) process.exit(130);
    this.#exiting = true;
    await Promise.allSettled(this.#operations);
    await Promise.all([...this.#hosts.values()].map((host) => host.close()));
    process.exit(0);
  }

  /**
   * Runs an operation on a host.
   * @param name of the server in the stack config
   * @throws Error when the stack config has no such server, or whatever the operation throws
   */
  use<T>(name: string, operation: (host: Host) => Promise<T>): Promise<T> {
    return this.track(() => operation(this.#host(name)));
  }

  /** Runs an operation that the end of this process waits for, see {@link #exit}, on whatever it may be. */
  async track<T>(operation: () => Promise<T>): Promise<T> {
    const running = operation();
    this.#operations.add(running);
    try {
      return await running;
    } finally {
      this.#operations.delete(running);
    }
  }

  /** Whether the stack has several servers, so that one whose host is down must not keep the others waiting. */
  get several(): boolean {
    return this.#all().size > 1;
  }

  #all(): Map<string, HostSettings> {
    this.#settings ??= parseHosts(this.config);
    return this.#settings;
  }

  #host(name: string): SshHost {
    let host = this.#hosts.get(name);
    if (!host) {
      host = new SshHost(name, this.#find(name));
      this.#hosts.set(name, host);
    }
    return host;
  }

  #find(name: string): HostSettings {
    const settings = this.#all().get(name);
    if (settings) return settings;
    throw new Error(
      `there is no server ${name} in the stack config (it has ${[...this.#all().keys()].join(", ") || "none"}). To remove the server's resources, put it back, run \`pulumi destroy --refresh=false --target\` with them, and then take it out; if the host is gone for good, \`pulumi state delete\` forgets them.`,
    );
  }
}

/**
 * An engine that is killed sends no signal, but the pipe that it holds at our standard input ends with it: nobody would
 * ever end this process.
 */
function onceAbandoned(action: () => void): void {
  const { stdin }: { stdin: unknown } = process;
  if (stdin instanceof Socket) stdin.once("end", action).resume().unref();
}

export const hosts = new Pool();

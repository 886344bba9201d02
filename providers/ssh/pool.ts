import type { HostSettings } from "../../config/settings";
import type { Host } from "../host";
import { SshHost } from "./host";

export { openHost } from "./host";

/** The provider's configuration, as the engine hands it over. */
interface Config {
  get(key: string): string | undefined;
}

/** The hosts of this run, each with its one connection. */
class Pool {
  #config: Config | undefined;
  #settings: Map<string, HostSettings> | undefined;
  readonly #hosts = new Map<string, SshHost>();

  /** Keeps the configuration; what it says is looked at when the first host is asked for. */
  configure(config: Config): void {
    this.#config = config;
  }

  /**
   * @param name of the server in the stack config
   * @throws Error when the stack config has no such server
   */
  async get(name: string): Promise<Host> {
    let host = this.#hosts.get(name);
    if (!host) {
      host = new SshHost(name, this.#find(name));
      this.#hosts.set(name, host);
    }
    return host;
  }

  #find(name: string): HostSettings {
    this.#settings ??= parse(this.#config);
    const settings = this.#settings.get(name);
    if (settings) return settings;
    throw new Error(
      `there is no server ${name} in the stack config (it has ${[...this.#settings.keys()].join(", ") || "none"}). To remove the server's resources, put it back, run \`pulumi destroy --target\` with them, and then take it out; if the host is gone for good, \`pulumi state delete\` forgets them.`,
    );
  }
}

/** Stands in until the stack config's schema is here. */
function parse(_config: Config | undefined): Map<string, HostSettings> {
  return new Map();
}

export const hosts = new Pool();

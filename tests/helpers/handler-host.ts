import type { HostSettings } from "../../config/settings";
import type { HostOptions } from "../../lab";
import type { SshHost } from "../../providers/ssh/host";
import { type Distribution, distributions } from "./distribution";
import { byHand, open } from "./host";
import { type LabHost, lab, type Release } from "./lab";

/** A lab host, for tests of handlers without the engine. */
export class HandlerHost {
  private constructor(
    readonly machine: LabHost,
    readonly distribution: Distribution,
    /** For handlers. To be closed. */
    readonly connection: SshHost,
  ) {}

  /** @param name unique among the test files */
  static async make(
    name: string,
    release: Release,
    options: HostOptions = {},
    way: Partial<HostSettings> = {},
  ): Promise<HandlerHost> {
    const machine = await lab(`${name}-${release}`, { release, ...options });
    return new HandlerHost(machine, distributions[release], await open(machine, way));
  }

  /** One that is reached as a user whose sudo asks for no password, however the suite reaches its hosts. */
  static makeForAdmin(name: string, release: Release): Promise<HandlerHost> {
    return HandlerHost.make(name, release, { sudoPassword: false }, { user: "admin", sudo: {} });
  }

  /** See {@link byHand}. */
  shell(script: string): Promise<string> {
    return byHand(this.machine, this.connection, script);
  }

  install(...packages: string[]): Promise<string> {
    return this.shell(this.distribution.install(...packages));
  }

  async startFirewalld(): Promise<void> {
    const needed = this.distribution.family === "debian" ? ["netbase"] : []; // firewalld 1.3 needs /etc/protocols to start
    await this.install("firewalld", ...needed);
    await this.shell("systemctl start firewalld");
  }
}

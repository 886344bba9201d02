import type { SshHost } from "../../providers/ssh/host";
import { type Distribution, distributions } from "./distribution";
import { byHand, open } from "./host";
import { type LabHost, lab, type Release } from "./lab";

/** A lab host, for tests of handlers without the engine: reached as a user whose sudo asks for no password. */
export class AdminHost {
  private constructor(
    readonly machine: LabHost,
    readonly distribution: Distribution,
    /** For handlers. To be closed. */
    readonly connection: SshHost,
  ) {}

  /** @param name unique among the test files */
  static async make(name: string, release: Release): Promise<AdminHost> {
    const machine = await lab(`${name}-${release}`, { release, sudoPassword: false });
    const connection = await open(machine, { user: "admin", sudo: {} });
    return new AdminHost(machine, distributions[release], connection);
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

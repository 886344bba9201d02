import type { SshHost } from "../../providers/ssh/host";
import { type Distribution, distributions } from "./distribution";
import { open } from "./host";
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

  /** Somebody else's hand on the host; what was read before it does not count any more. */
  async shell(script: string): Promise<string> {
    const output = await this.machine.exec(script);
    await this.connection.run(":", { doing: "forgetting facts", changes: true });
    return output.trim();
  }

  install(...packages: string[]): Promise<string> {
    return this.shell(this.distribution.install(...packages));
  }
}

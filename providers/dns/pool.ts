import { parseNameServers } from "../../config/load";
import type { NameServerAccess } from "../../config/settings";
import { hosts } from "../ssh/pool";
import type { NameServer } from "./name-server";
import { TcpNameServer } from "./tcp-name-server";

/** The name servers of this run, one per server of the stack config that has one. */
class NameServers {
  #settings: Map<string, NameServerAccess> | undefined;
  readonly #open = new Map<string, TcpNameServer>();

  /**
   * Runs an operation on the name server that has the records of a server.
   * @param server its name in the stack config
   * @throws Error when the stack config names no name server for it, or whatever the operation throws
   */
  use<T>(server: string, operation: (nameServer: NameServer) => Promise<T>): Promise<T> {
    return hosts.track(() => operation(this.#find(server)));
  }

  #find(server: string): NameServer {
    this.#settings ??= parseNameServers(hosts.config);
    const access = this.#settings.get(server);
    if (!access)
      throw new Error(
        `the stack config has no name server for ${server}. Records that a stack made are removed through it: keep prosody:dns.nameServer and prosody:dns.key until they are gone, or forget them with \`pulumi state delete\`.`,
      );
    // Servers that share a name server share its connections and updates.
    const key = JSON.stringify({ ...access, key: { ...access.key, secret: access.key.secret.reveal() } });
    const open = this.#open.get(key) ?? new TcpNameServer(access);
    this.#open.set(key, open);
    return open;
  }
}

export const nameServers = new NameServers();

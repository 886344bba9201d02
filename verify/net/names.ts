import { lookup, Resolver } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { asciiDomain } from "../../config/domain-name";

/** A service as DNS has it (RFC 2782), or as an override says. */
export interface Target {
  /** Name of the host; the certificate is for the domain, not for it (RFC 6120, section 13.7.2.1). */
  name: string;
  port: number;
}

/** How names become addresses: by DNS, as for everybody, or by an override for a domain without records. */
export interface Names {
  /** Whether DNS is asked; lines about records can't be judged otherwise. */
  readonly fromDns: boolean;
  /**
   * Targets of a service such as `_xmpp-client._tcp`, best first.
   * @throws Error when there is no such record, with the name that was asked for
   */
  services(service: string, domain: string): Promise<Target[]>;
  /** An IP address of a name. @throws Error when it has none */
  address(name: string): Promise<string>;
  /** All of them. @throws Error when it has none */
  addresses(name: string): Promise<string[]>;
}

const patience = { timeout: 2000, tries: 2 };

/**
 * Asks DNS.
 * @param server `ADDRESS` or `ADDRESS:PORT` of the resolver; default: those of this machine
 */
export function namesFromDns(server?: string): Names {
  const resolver = new Resolver(patience);
  if (server) resolver.setServers([server]);
  const known = new Map<string, Promise<string[]>>();
  const addresses = (name: string): Promise<string[]> => {
    const plain = asciiDomain(name);
    if (isIP(plain)) return Promise.resolve([plain]);
    let found = known.get(plain);
    if (!found) {
      found = server ? resolve(resolver, plain) : lookup(plain, { all: true }).then(plainAddresses);
      known.set(plain, found);
    }
    return found.catch((error: NodeJS.ErrnoException) => {
      throw new Error(`DNS has no address of ${plain} (${error.code})`, { cause: error });
    });
  };
  return {
    fromDns: true,
    async services(service, domain) {
      const name = `${service}.${asciiDomain(domain)}`;
      const records = await resolver.resolveSrv(name).catch((error: NodeJS.ErrnoException) => {
        throw new Error(`DNS has no SRV record ${name} (${error.code})`, { cause: error });
      });
      return inOrder(records.filter(({ name: target }) => target !== "" && target !== "."));
    },
    address: async (name) => (await addresses(name))[0]!,
    addresses,
  };
}

const plainAddresses = (all: { address: string }[]) => all.map(({ address }) => address);

/** IPv4 first. */
async function resolve(resolver: Resolver, name: string): Promise<string[]> {
  const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  const all = found.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
  if (all.length > 0) return all;
  throw found.flatMap((each) => (each.status === "rejected" ? each.reason : []))[0];
}

/** By priority; the weight decides nothing where all targets are tried in turn. */
function inOrder(records: { name: string; port: number; priority: number; weight: number }[]): Target[] {
  return [...records]
    .sort((a, b) => a.priority - b.priority || b.weight - a.weight)
    .map(({ name, port }) => ({ name, port }));
}

/**
 * Asks nobody: every name is at this address, and services are on the ports of the stack config.
 * @param ports service (`_xmpp-client._tcp`) → port, `false` where it is off
 */
export function namesAt(address: string, ports: Record<string, number | false>): Names {
  return {
    fromDns: false,
    async services(service) {
      const port = ports[service];
      if (!port) throw new Error(`the stack config has no port for ${service}`);
      return [{ name: address, port }];
    },
    address: async () => address,
    addresses: async () => [address],
  };
}

/** For an option `lookup` of Node.js: whatever name is asked for, it is at this address. */
export function fixedLookup(address: string): LookupFunction {
  const family = isIP(address);
  return (_name, options, found) =>
    options.all ? found(null, [{ address, family }]) : found(null, address, family);
}

import { createHash, X509Certificate } from "node:crypto";
import { listeners } from "../config/listeners";
import type { Domain, Server } from "../config/settings";
import { enclosing, type RecordSet, type RecordType } from "./record-set";

/**
 * Services that are found by SRV records (RFC 2782). Direct TLS has the smaller priority number, so that it is
 * tried first, for privacy (XEP-0368).
 */
const services: readonly {
  /** As {@link listeners} calls it. */
  listener: string;
  label: string;
  priority: number;
  /** Other servers look here for rooms and components, too. */
  federation?: boolean;
}[] = [
  { listener: "clientStarttls", label: "_xmpp-client._tcp", priority: 5 },
  { listener: "clientDirectTls", label: "_xmpps-client._tcp", priority: 0 },
  { listener: "server", label: "_xmpp-server._tcp", priority: 5, federation: true },
  { listener: "serverDirectTls", label: "_xmpps-server._tcp", priority: 0, federation: true },
];

const weight = 5;

/** Where servers connect to without an SRV record (RFC 6120, 3.2.2). */
const standardServerPort = 5269;

interface Offered {
  label: string;
  priority: number;
  port: number;
  federation: boolean;
}

/**
 * Every record that the server needs to be found, virtual host by virtual host; a port that is switched off, or
 * bound on the loopback interface, has none. Pure: what it says follows from the settings alone.
 * @returns virtual host → records at and below it
 */
export function dnsRecords(server: Server): Record<string, RecordSet[]> {
  const offered = offeredServices(server);
  const sets = server.domains.flatMap((domain) => [
    ...addressRecords(server, domain.name),
    ...serviceRecords(server, domain.name, domain.name, offered),
    ...subdomainRecords(server, domain.name, offered),
    ...issuerRecords(server, domain.name),
    ...keyRecords(server, domain, offered),
  ]);
  const domains = server.domains.map(({ name }) => name);
  const found: Record<string, RecordSet[]> = Object.fromEntries(domains.map((name) => [name, []]));
  for (const set of merge(sets)) found[enclosing(set.name, domains)!]!.push(set);
  return found;
}

/** The name that SRV records and aliases of a virtual host point to. */
function targetOf({ dns }: Pick<Server, "dns">, domain: string): string {
  return dns.target ?? `xmpp.${domain}`;
}

function offeredServices(server: Server): Offered[] {
  const ports = new Map(
    listeners(server).flatMap(({ service, port, public: isPublic }) => (isPublic ? [[service, port]] : [])),
  );
  return services.flatMap(({ listener, federation = false, ...rest }) => {
    const port = ports.get(listener);
    return port === undefined ? [] : [{ ...rest, port, federation }];
  });
}

/** A target outside of the virtual hosts is somebody else's name. */
function addressRecords(server: Server, domain: string): RecordSet[] {
  const { address } = server.dns;
  const target = targetOf(server, domain);
  const domains = server.domains.map(({ name }) => name);
  if (enclosing(target, domains) === undefined) return [];
  return [
    ...(address.ipv4 ? [set(server, target, "A", address.ipv4)] : []),
    ...(address.ipv6 ? [set(server, target, "AAAA", address.ipv6)] : []),
  ];
}

function serviceRecords(server: Server, domain: string, owner: string, offered: Offered[]): RecordSet[] {
  const target = targetOf(server, domain);
  return offered.map(({ label, priority, port }) =>
    set(server, `${label}.${owner}`, "SRV", `${priority} ${weight} ${port} ${target}.`),
  );
}

/**
 * Services with a name of their own. An alias is enough as long as other servers reach the standard port: without
 * an SRV record they connect to it at the address of the alias. An SRV record makes them look nowhere else, so that
 * there are those of all ports as soon as there is one.
 */
function subdomainRecords(server: Server, domain: string, offered: Offered[]): RecordSet[] {
  const target = targetOf(server, domain);
  const federation = offered.filter((service) => service.federation);
  const isStandard = federation.every(({ label, port }) =>
    label === "_xmpp-server._tcp" ? port === standardServerPort : false,
  );
  return namesBelow(server, domain).flatMap(({ name, federates }) => {
    const alias = name === target ? [] : [set(server, name, "CNAME", `${target}.`)];
    const located = federates && !isStandard ? serviceRecords(server, domain, name, federation) : [];
    return [...alias, ...located];
  });
}

/** Services' names below a virtual host, and whether users of other servers have to do with them. */
function namesBelow(server: Server, domain: string): { name: string; federates: boolean }[] {
  const services = [
    { ...server.conference, federates: true },
    { ...server.upload, federates: false },
    { ...server.proxy65, federates: true },
    { ...server.turn, enabled: server.turn.enabled && domain === server.turn.domain, federates: false },
  ];
  return [
    ...services.flatMap(({ enabled, subdomain, federates }) =>
      enabled ? [{ name: `${subdomain}.${domain}`, federates }] : [],
    ),
    ...server.components.flatMap((component) =>
      component.domain === domain ? [{ name: component.name, federates: true }] : [],
    ),
  ];
}

/** CAA (RFC 8659): who may issue certificates for the domain and everything below it. */
function issuerRecords(server: Server, domain: string): RecordSet[] {
  return server.dns.caa.map((issuer) => set(server, domain, "CAA", `0 issue "${issuer}"`));
}

/**
 * TLSA (RFC 7673): the public key behind each port that clients and servers find by SRV records, as "DANE-EE, public
 * key, SHA-256", which a renewed certificate with the same key leaves as it is. A key made on the host is not known here.
 */
function keyRecords(server: Server, { name, certificate }: Domain, offered: Offered[]): RecordSet[] {
  if (!server.dns.tlsa || !certificate) return [];
  const target = targetOf(server, name);
  const key = new X509Certificate(certificate.certificate).publicKey.export({ type: "spki", format: "der" });
  const digest = createHash("sha256").update(key).digest("hex");
  return offered.map(({ port }) => set(server, `_${port}._tcp.${target}`, "TLSA", `3 1 1 ${digest}`));
}

function set({ dns }: Server, name: string, type: RecordType, value: string): RecordSet {
  return { name, type, ttl: dns.ttl, values: [value] };
}

/** One set per name and type: virtual hosts may share a target. */
function merge(sets: readonly RecordSet[]): RecordSet[] {
  const merged = new Map<string, RecordSet>();
  for (const each of sets) {
    const key = `${each.name} ${each.type}`;
    const values = [...(merged.get(key)?.values ?? []), ...each.values];
    merged.set(key, { ...each, values: [...new Set(values)].sort() });
  }
  return [...merged.values()];
}

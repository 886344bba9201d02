import { isIPv4, isIPv6 } from "node:net";
import { certificateNames } from "../../config/certificate-names";
import { canonicalIPv6 } from "../../config/host-address";
import type { Domain, Server } from "../../config/settings";
import type { RecordSet } from "../../dns/record-set";
import { dnsRecords } from "../../dns/records";
import { zoneText } from "../../dns/zone-text";
import { isPrivate } from "../../providers/turn-text";
import type { Names } from "../../verify/net/names";
import type { Finding } from "./findings";

/** Where a name leads to, as far as DNS tells. */
type Way =
  | { to: "host" | "nowhere" }
  | { to: "elsewhere"; addresses: string[] }
  | { to: "unknown"; code: string };

/** What resolvers say of a name that has no such record. */
const none = ["ENOTFOUND", "ENODATA"];

/**
 * Whether DNS leads to the host: by the records that the server needs, and with `acme` by every name of a certificate.
 * @param own addresses that the host has itself; those of the name that SSH uses are added
 */
export async function dnsFindings(server: Server, names: Names, own: readonly string[]): Promise<Finding[]> {
  const outside = await names.addresses(server.host.address).catch(() => []);
  const [ipv4, ipv6] = [outside.find(isIPv4), outside.find(isIPv6)];
  const isSaid = Object.keys(server.dns.address).length > 0;
  const address = isSaid ? server.dns.address : { ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }) };
  const known: Server = { ...server, dns: { ...server.dns, address } };
  const records = dnsRecords(known);
  const ask = wayFinder(names, new Set([...outside, ...own]));
  const findings = known.domains.map(async (domain) => {
    const sets = [...records[domain.name]!, ...certificateRecords(known, domain, records[domain.name]!)];
    const ways = await Promise.all(sets.map(ask));
    return judge(
      domain,
      sets.map((set, index) => ({ set, way: ways[index]! })),
    );
  });
  return (await Promise.all(findings)).flat();
}

/** Whether clients would be sent to a private address, by which SSH reaches the host, because nothing names another. */
export async function addressFindings({ host, dns }: Server, names: Names): Promise<Finding[]> {
  const own = (await names.addresses(host.address).catch(() => [])).map((address) =>
    isIPv6(address) ? canonicalIPv6(address) : address,
  );
  const published = Object.values(dns.address);
  // Where nothing is published, the findings show records of the host's own address.
  const isSentTo = (address: string) =>
    published.length > 0 ? published.includes(address) : dns.target === undefined;
  return own
    .filter((address) => isPrivate(address) && isSentTo(address))
    .map((address) => ({
      isWarning: true,
      text: `The DNS records send everybody to ${address}, a private address: nobody outside of its network gets there. If others are to, give the public one: pulumi config set --path prosody:dns.address.${isIPv6(address) ? "ipv6" : "ipv4"} ADDRESS (behind NAT, prosody:turn.externalAddress tells it, and serves calls, too).`,
    }));
}

/** Address records of names that are on a certificate only, such as the domain itself. */
function certificateRecords(server: Server, domain: Domain, sets: readonly RecordSet[]): RecordSet[] {
  const { ipv4, ipv6 } = server.dns.address;
  if (!domain.acme) return [];
  const names = certificateNames(server, domain).filter((name) => !sets.some((set) => set.name === name));
  return names.flatMap((name): RecordSet[] => [
    ...(ipv4 ? [{ name, type: "A" as const, ttl: server.dns.ttl, values: [ipv4] }] : []),
    ...(ipv6 ? [{ name, type: "AAAA" as const, ttl: server.dns.ttl, values: [ipv6] }] : []),
  ]);
}

/** @param own addresses of the host */
function wayFinder(names: Names, own: ReadonlySet<string>): (set: RecordSet) => Promise<Way> {
  const wayOf = async (name: string): Promise<Way> => {
    const foreign = (await names.addresses(name)).filter((address) => !own.has(address));
    return foreign.length > 0 ? { to: "elsewhere", addresses: foreign } : { to: "host" };
  };
  const wayOfService = async ({ name, values }: RecordSet): Promise<Way> => {
    const [, label, owner] = /^(_[^.]+\._[^.]+)\.(.+)$/.exec(name)!;
    const port = Number(values[0]!.split(" ")[2]);
    const targets = (await names.services(label!, owner!)).filter((target) => target.port === port);
    const ways = await Promise.all(targets.map((target) => wayOf(target.name)));
    return ways.find(({ to }) => to === "host") ?? ways[0] ?? { to: "nowhere" };
  };
  return async (set) => {
    if (set.type === "CAA" || set.type === "TLSA") return { to: "host" }; // nobody is led by them
    try {
      return await (set.type === "SRV" ? wayOfService(set) : wayOf(set.name));
    } catch (error) {
      const { code = "no answer" } = (error as Error).cause as NodeJS.ErrnoException;
      return none.includes(code) ? { to: "nowhere" } : { to: "unknown", code };
    }
  };
}

function judge({ name: domain, acme }: Domain, found: readonly { set: RecordSet; way: Way }[]): Finding[] {
  const silent = found.find(({ way }) => way.to === "unknown")?.way;
  if (silent?.to === "unknown")
    return [
      {
        isWarning: true,
        text: `DNS gave no answer about ${domain} (${silent.code}). \`npm run verify\` will tell whether it leads to the host.`,
      },
    ];
  const lacking = found.filter(({ way }) => way.to !== "host").map(({ set }) => set);
  if (lacking.length === 0)
    return [{ isWarning: false, text: `DNS leads to the host: the ${found.length} records of ${domain}.` }];
  const astray = new Map(
    found.flatMap(({ set, way }) => (way.to === "elsewhere" ? [[set.name, way.addresses] as const] : [])),
  );
  return [
    {
      isWarning: true,
      text: `DNS lacks ${lacking.length} of ${found.length} records of ${domain}, or they lead elsewhere. They are, for its zone:\n${zoneText(domain, lacking)}`,
    },
    ...[...astray].map(([name, addresses]) => ({
      isWarning: true,
      text: `${name} leads to ${addresses.join(", ")}, which is not the host.${
        acme && !name.startsWith("_")
          ? " The authority asks there for the certificate: correct it before `pulumi up`, or bring your own certificate."
          : ""
      }`,
    })),
  ];
}

import { isIP, isIPv4, isIPv6 } from "node:net";
import type { z } from "zod";
import { enclosing } from "../dns/record-set";
import type { dns } from "./dns";
import { parseDomain } from "./domain-name";
import { canonicalIPv6, parseAddress } from "./host-address";
import { isMap } from "./parts";
import { attempt, isBroken, refuse } from "./refused";
import type { DnsSettings, HostSettings, TurnSettings } from "./settings";

type Given = z.output<ReturnType<typeof dns>>;

/** What of other sections tells where clients connect to. */
interface Surroundings {
  address?: string;
  jump?: unknown;
  /** `turn.externalAddress`. */
  external: readonly string[];
  /** The virtual hosts. */
  domains: readonly string[];
}

/** What names end with that one network alone knows (RFC 6762, RFC 8375, and by custom). */
const localName = /\.(lan|local|localdomain|internal|home\.arpa)$/;

/** The section against others, each of which may have problems of its own. */
export function checkDns(
  given: { dns?: unknown; host?: unknown; turn?: unknown },
  domains: readonly string[],
  ctx: z.RefinementCtx,
): void {
  if (!isMap(given.dns)) return;
  const section = given.dns as Given;
  const isSound = (...options: string[]) =>
    !ctx.issues.some(({ path }) => path?.[0] === "dns" && options.includes(String(path[1])));
  const report = (option: string, message: string) => {
    if (isSound(option)) refuse(ctx, message, ["dns", option]);
  };
  checkNeeds(section, domains, report);
  if (isSound("address", "target") && !isBroken(ctx, "host"))
    checkTarget(section, { ...surroundingsOf(given), domains }, report);
}

function checkTarget(
  section: Given,
  around: Surroundings,
  report: (option: string, message: string) => void,
): void {
  const { address, target } = settleTarget(section, around);
  const isOurs = target === undefined || enclosing(target, around.domains) !== undefined;
  if (!isOurs && section.address)
    report(
      "address",
      "the target lies in none of prosody:domains, so that its address records are made elsewhere; leave this out, or choose another target",
    );
  if (!isOurs && section.tlsa)
    report(
      "tlsa",
      "these records stand below the target, which lies in none of prosody:domains; give a target below one of them, or leave this out",
    );
  if (target === undefined && !address.ipv4 && !address.ipv6 && (section.provider ?? "none") !== "none")
    report(
      "address",
      "nothing tells which address clients connect to; give it, as in { ipv4: 203.0.113.5 }, or target, a name that has one",
    );
}

function checkNeeds(
  { provider, zones = {}, apiToken, nameServer, key, takeOver }: Given,
  domains: readonly string[],
  report: (option: string, message: string) => void,
): void {
  if (provider === "rfc2136") {
    if (!nameServer) report("nameServer", "rfc2136 needs it; give the zones' primary name server");
    if (!key) report("key", "rfc2136 needs it; give the key that updates are signed with");
  }
  if (provider === undefined && (nameServer || key))
    report("provider", "is missing; give rfc2136 to have the records made on the name server, or none");
  else if (provider === undefined && (apiToken || Object.keys(zones).length > 0))
    report("provider", "is missing; give cloudflare to have the records made there, or none");
  if (provider !== "cloudflare") return;
  if (takeOver)
    report(
      "takeOver",
      "at Cloudflare nothing is replaced; delete the records that are there, or pulumi import them, and leave this out",
    );
  const known = Object.keys(zones).flatMap((zone) => attempt(() => parseDomain(zone)) ?? []);
  const missing = domains.filter((domain) => enclosing(domain, known) === undefined);
  if (missing.length > 0)
    report("zones", `cloudflare needs the id of the zone that ${missing.join(", ")} lies in; add it`);
}

/** What is said of DNS, with what follows from the host. */
export function settleDns(
  given: Given,
  { address, jump }: Pick<HostSettings, "address" | "jump">,
  { externalAddress }: Pick<TurnSettings, "externalAddress">,
  domains: readonly string[],
): DnsSettings {
  const { provider = "none", ttl, caa, tlsa, takeOver, zones, apiToken, nameServer, key } = given;
  return {
    provider,
    ...settleTarget(given, { address, jump, external: externalAddress, domains }),
    ttl: ttl ?? (provider === "cloudflare" ? 1 : 3600),
    caa: caa.map((issuer) => issuer.trim()),
    tlsa,
    takeOver,
    cloudflare: {
      zones: Object.fromEntries(Object.entries(zones).map(([zone, id]) => [parseDomain(zone), id])),
      ...(apiToken && { apiToken }),
    },
    ...(nameServer && key && { nameServer: { ...nameServer, key } }),
  };
}

/**
 * A host that SSH reaches directly by a name is in DNS already: that name will do for everybody, unless it is one that
 * only a network of its own knows, and the virtual hosts are for all the world. Behind a jump host
 * neither name nor address says anything about where clients connect to; behind NAT it is the external address.
 */
function settleTarget(
  { address, target }: Pick<Given, "address" | "target">,
  around: Surroundings,
): Pick<DnsSettings, "address" | "target"> {
  const direct = around.jump === undefined ? (around.address ?? "") : "";
  if (address) return { address, target };
  const isKnown = !localName.test(direct) || around.domains.some((domain) => localName.test(domain));
  if (isIP(direct) === 0 && direct.includes(".") && isKnown) return { address: {}, target: target ?? direct };
  const known = [...around.external, direct];
  const [ipv4, ipv6] = [known.find(isIPv4), known.find(isIPv6)];
  return { address: { ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6: canonicalIPv6(ipv6) }) }, target };
}

/** What of the unchecked sections matters here. */
function surroundingsOf(given: { host?: unknown; turn?: unknown }): Omit<Surroundings, "domains"> {
  const { address, jump } = isMap(given.host) ? given.host : { address: given.host, jump: undefined };
  const external = isMap(given.turn) ? given.turn.externalAddress : undefined;
  return {
    address: typeof address === "string" ? attempt(() => parseAddress(address)) : undefined,
    jump,
    external: Array.isArray(external) ? external.filter((each) => typeof each === "string") : [],
  };
}

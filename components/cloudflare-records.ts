import type { DnsRecordArgs } from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";
import type { Server } from "../config/settings";
import { enclosing, type RecordSet } from "../dns/record-set";
import { perServer } from "./names";

/** One of Cloudflare's records per value of each record set, by Pulumi's own provider. */
export function cloudflareRecords(
  server: string,
  { zones, apiToken }: Server["dns"]["cloudflare"],
  sets: readonly RecordSet[],
  options: pulumi.CustomResourceOptions,
): void {
  // Loaded here, so that nobody else needs the provider's plugin.
  const { DnsRecord, Provider } = require("@pulumi/cloudflare") as typeof import("@pulumi/cloudflare");
  const provider =
    apiToken &&
    new Provider(
      perServer(server, "cloudflare"),
      { apiToken: pulumi.secret(apiToken.reveal()) },
      { parent: options.parent },
    );
  for (const set of sets)
    for (const value of set.values) {
      const zoneId = zones[enclosing(set.name, Object.keys(zones))!]!;
      new DnsRecord(resourceName(set, value), cloudflareRecord(set, value, zoneId), { ...options, provider });
    }
}

/** Where a set may have several records, the name says which one of them it is. */
function resourceName({ name, type }: RecordSet, value: string): string {
  const which = { CAA: /"(.*)"$/, TLSA: /(\S+)$/ }[type as string]?.exec(value)?.[1];
  return which === undefined ? `${name} ${type}` : `${name} ${type} ${which}`;
}

/**
 * A record as Cloudflare's API wants it: names without the dot at the end, and the parts of SRV, CAA and TLSA one by
 * one. Never proxied: Cloudflare's proxy is for HTTP.
 */
function cloudflareRecord({ name, type, ttl }: RecordSet, value: string, zoneId: string): DnsRecordArgs {
  const record = { zoneId, name, type, ttl, comment: "XMPP, by prosody-pulumi" };
  const words = value.split(" ");
  switch (type) {
    case "SRV": {
      const [priority, weight, port] = words.map(Number);
      // Without a priority beside the data, each preview shows one that is to be removed.
      return { ...record, priority, data: { priority, weight, port, target: withoutDot(words[3]!) } };
    }
    case "CAA": {
      const [, flags, tag, text] = /^(\d+) (\S+) "(.*)"$/.exec(value)!;
      return { ...record, data: { flags: Number(flags), tag, value: text } };
    }
    case "TLSA": {
      const [usage, selector, matchingType] = words.map(Number);
      return { ...record, data: { usage, selector, matchingType, certificate: words[3]! } };
    }
    default:
      return { ...record, content: withoutDot(value), proxied: false };
  }
}

const withoutDot = (name: string) => name.replace(/\.$/, "");

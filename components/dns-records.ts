import type * as pulumi from "@pulumi/pulumi";
import type { Server } from "../config/settings";
import type { RecordSet } from "../dns/record-set";
import { DnsRecordSet } from "../providers/dns-record-set";
import { cloudflareRecords } from "./cloudflare-records";
import { Part } from "./part";

interface DnsRecordsArgs {
  /** Name of the server in the stack config. */
  readonly server: string;
  readonly dns: Server["dns"];
  readonly sets: readonly RecordSet[];
}

/** The DNS records of a server, made by whoever the stack config says. */
export class DnsRecords extends Part {
  constructor(name: string, args: DnsRecordsArgs, options?: pulumi.ComponentResourceOptions) {
    super("prosody:index:DnsRecords", name, options);
    const { server, dns, sets } = args;
    if (dns.provider === "rfc2136")
      for (const set of sets) new DnsRecordSet(`${set.name} ${set.type}`, { server, ...set }, this.child);
    if (dns.provider === "cloudflare") cloudflareRecords(server, dns.cloudflare, sets, this.child);
    this.registerOutputs();
  }
}

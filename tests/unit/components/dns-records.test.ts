import { DnsRecords } from "../../../components/dns-records";
import { Secret } from "../../../config/secret";
import type { DnsSettings } from "../../../config/settings";
import type { RecordSet } from "../../../dns/record-set";
import { server } from "../../fixtures/server";
import { kind, registered, secret } from "../../helpers/registered";

const id = "023e105f4ecef8ad9ca31a8372d0c353";
const other = "d41d8cd98f00b204e9800998ecf8427e";
const digest = "ab".repeat(32);
const set = (name: string, type: RecordSet["type"], ...values: string[]): RecordSet => ({
  name,
  type,
  ttl: 1,
  values,
});
const sets = [
  set("xmpp.example.com", "A", "203.0.113.5"),
  set("xmpp.example.com", "AAAA", "2001:db8::5"),
  set("conference.im.example.com", "CNAME", "xmpp.example.com."),
  set("_xmpps-client._tcp.example.com", "SRV", "0 5 5223 xmpp.example.com."),
  set(
    "example.com",
    "CAA",
    '0 issue "ca.example; accounturi=https://ca.example/1"',
    '0 issue "letsencrypt.org"',
  ),
  set("_5222._tcp.xmpp.example.com", "TLSA", `3 1 1 ${digest}`),
];

async function records(changes: Partial<DnsSettings>) {
  const settings = { server: "prosody", dns: { ...server().dns, ...changes }, sets };
  const all = await registered(() => new DnsRecords("prosody", settings));
  return all.filter(({ type }) => type !== "prosody:index:DnsRecords").sort(byName);
}

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
const record = { ttl: 1, comment: "XMPP, by prosody-pulumi" };
const zones = { "example.com": id, "im.example.com": other };

test("at Cloudflare, each value is a record with exactly the fields that its type has", async () => {
  const type = "cloudflare:index/dnsRecord:DnsRecord";
  expect(await records({ provider: "cloudflare", cloudflare: { zones } })).toEqual(
    [
      ["xmpp.example.com A", { content: "203.0.113.5", proxied: false }],
      ["xmpp.example.com AAAA", { content: "2001:db8::5", proxied: false }],
      ["conference.im.example.com CNAME", { content: "xmpp.example.com", proxied: false, zoneId: other }],
      [
        "_xmpps-client._tcp.example.com SRV",
        { priority: 0, data: { priority: 0, weight: 5, port: 5223, target: "xmpp.example.com" } },
      ],
      [
        "example.com CAA ca.example; accounturi=https://ca.example/1",
        { data: { flags: 0, tag: "issue", value: "ca.example; accounturi=https://ca.example/1" } },
      ],
      ["example.com CAA letsencrypt.org", { data: { flags: 0, tag: "issue", value: "letsencrypt.org" } }],
      [
        `_5222._tcp.xmpp.example.com TLSA ${digest}`,
        { data: { usage: 3, selector: 1, matchingType: 1, certificate: digest } },
      ],
    ]
      .map(([name, fields]) => {
        const [owner, kind] = String(name).split(" ");
        return {
          type,
          name: String(name),
          inputs: { ...record, zoneId: id, name: owner, type: kind, ...(fields as object) },
        };
      })
      .sort(byName),
  );
});

test("a token of its own goes to a provider of its own, as a secret", async () => {
  const cloudflare = { zones, apiToken: new Secret("token") };
  const made = await records({ provider: "cloudflare", cloudflare });
  const others = made.filter(({ name }) => name !== "cloudflare");
  const provider = made.find(({ name }) => name === "cloudflare");
  expect(provider).toEqual({
    type: "pulumi:providers:cloudflare",
    name: "cloudflare",
    inputs: { apiToken: secret("token") },
  });
  expect(new Set(others.map((each) => each.provider))).toEqual(new Set(["cloudflare"]));
});

test("on a name server, each set is one object", async () => {
  const made = await records({ provider: "rfc2136" });
  expect(made).toEqual(
    sets
      .map((each) => ({
        type: kind("DnsRecordSet"),
        name: `${each.name} ${each.type}`,
        inputs: { server: "prosody", ...each },
      }))
      .sort(byName),
  );
});

import { addressFindings, dnsFindings } from "../../../../tools/init/dns";
import type { Names } from "../../../../verify/net/names";
import { server } from "../../../fixtures/server";

const settings = server({
  host: { ...server().host, address: "192.0.2.1" },
  domains: [{ name: "example.test", acme: { names: [] } as never }],
});

const complete: Record<string, string[]> = {
  "xmpp.example.test": ["192.0.2.1"],
  "example.test": ["192.0.2.1"],
  "conference.example.test": ["192.0.2.1"],
  "upload.example.test": ["192.0.2.1"],
  "proxy.example.test": ["192.0.2.1"],
  "turn.example.test": ["192.0.2.1"],
  "_xmpp-client._tcp.example.test": ["5222 xmpp.example.test"],
  "_xmpps-client._tcp.example.test": ["5223 xmpp.example.test"],
  "_xmpp-server._tcp.example.test": ["5269 xmpp.example.test"],
  "_xmpps-server._tcp.example.test": ["5270 xmpp.example.test"],
  "_xmpp-server._tcp.conference.example.test": ["5269 xmpp.example.test"],
  "_xmpps-server._tcp.conference.example.test": ["5270 xmpp.example.test"],
  "_xmpp-server._tcp.proxy.example.test": ["5269 xmpp.example.test"],
  "_xmpps-server._tcp.proxy.example.test": ["5270 xmpp.example.test"],
};

/** A zone; a name without a record is answered with a code. */
function zone(records: Record<string, string[]>, code = "ENOTFOUND"): Names {
  const find = async (name: string) => {
    if (/^[\d.:a-f]+$/.test(name)) return [name];
    if (!records[name]) throw new Error(name, { cause: Object.assign(new Error(), { code }) });
    return records[name];
  };
  return {
    fromDns: true,
    addresses: find,
    address: async (name) => (await find(name))[0]!,
    services: async (service, domain) =>
      (await find(`${service}.${domain}`)).map((text) => {
        const [port, name] = text.split(" ");
        return { port: Number(port), name: name! };
      }),
  };
}

const without = (...names: string[]) =>
  Object.fromEntries(Object.entries(complete).filter(([name]) => !names.includes(name)));
const find = (records: Record<string, string[]>, own: string[] = []) =>
  dnsFindings(settings, zone(records), own);

test("all records lead to the host: one line", async () => {
  expect(await find(complete)).toEqual([
    { isWarning: false, text: "DNS leads to the host: the 14 records of example.test." },
  ]);
});

test("records that are missing are the text for the zone, and no more", async () => {
  const [finding, ...others] = await find(
    without("_xmpps-client._tcp.example.test", "upload.example.test", "example.test"),
  );
  expect(others).toEqual([]);
  expect(finding).toEqual({
    isWarning: true,
    text: `DNS lacks 3 of 14 records of example.test, or they lead elsewhere. They are, for its zone:
$ORIGIN example.test.
_xmpps-client._tcp 3600 IN SRV   0 5 5223 xmpp.example.test.
upload             3600 IN CNAME xmpp.example.test.
@                  3600 IN A     192.0.2.1
`,
  });
});

test("a service on another port, or at another host, counts as missing", async () => {
  const [port] = await find({ ...complete, "_xmpp-client._tcp.example.test": ["5223 xmpp.example.test"] });
  expect(port!.text).toContain("DNS lacks 1 of 14 records");
  const elsewhere = {
    "_xmpp-client._tcp.example.test": ["5222 other.example.net"],
    "other.example.net": ["198.51.100.7"],
  };
  expect(await find({ ...complete, ...elsewhere })).toEqual([
    { isWarning: true, text: expect.stringContaining("_xmpp-client._tcp 3600 IN SRV") },
    { isWarning: true, text: "_xmpp-client._tcp.example.test leads to 198.51.100.7, which is not the host." },
  ]);
});

test("each address of a name counts for an authority; addresses that the host has itself are its own", async () => {
  const both = { ...complete, "example.test": ["192.0.2.1", "2001:db8::1"] };
  expect((await find(both)).map(({ text }) => text.split("\n")[0])).toEqual([
    "DNS lacks 1 of 14 records of example.test, or they lead elsewhere. They are, for its zone:",
    "example.test leads to 2001:db8::1, which is not the host. The authority asks there for the certificate: correct it before `pulumi up`, or bring your own certificate.",
  ]);
  expect(await find(both, ["2001:db8::1"])).toEqual(await find(complete));
});

test("without acme nobody asks the domain itself", async () => {
  const files = { ...settings, domains: [{ name: "example.test" }] };
  expect(await dnsFindings(files, zone(without("example.test")), [])).toEqual([
    { isWarning: false, text: "DNS leads to the host: the 13 records of example.test." },
  ]);
});

test("an address is known by the name that SSH uses", async () => {
  const named = {
    ...settings,
    host: { ...settings.host, address: "vps.example.net" },
    dns: { ...settings.dns, address: {} },
  };
  const [finding] = await dnsFindings(named, zone({ "vps.example.net": ["203.0.113.5", "2001:db8::5"] }), []);
  expect(finding!.text).toContain("xmpp                          3600 IN AAAA  2001:db8::5\n");
  expect(finding!.text).toContain("@                             3600 IN A     203.0.113.5\n");
});

test("resolvers that do not answer are no missing records", async () => {
  expect(await dnsFindings(settings, zone(without("upload.example.test"), "ETIMEOUT"), [])).toEqual([
    {
      isWarning: true,
      text: "DNS gave no answer about example.test (ETIMEOUT). `npm run verify` will tell whether it leads to the host.",
    },
  ]);
});

describe("a private address", () => {
  const at = (address: string, published: { ipv4?: string; ipv6?: string }, target?: string) =>
    addressFindings(
      server({
        host: { ...server().host, address },
        dns: { ...server().dns, address: published, target },
      }),
      zone({ "server.lan": ["192.168.1.5"], "xmpp.example.test": ["192.168.1.5"] }),
    );

  test("that would be published is told, with the option for another", async () => {
    expect(await at("192.168.1.5", { ipv4: "192.168.1.5" })).toEqual([
      {
        isWarning: true,
        text: "The DNS records send everybody to 192.168.1.5, a private address: nobody outside of its network gets there. If others are to, give the public one: pulumi config set --path prosody:dns.address.ipv4 ADDRESS (behind NAT, prosody:turn.externalAddress tells it, and serves calls, too).",
      },
    ]);
    expect(await at("10.0.0.5", {})).toHaveLength(1); // behind a jump host
    expect(await at("server.lan", {})).toHaveLength(1);
    const [ipv6] = await at("fd00::0:5", { ipv6: "fd00::5" });
    expect(ipv6!.text).toContain("prosody:dns.address.ipv6 ADDRESS");
  });

  test.each<[string, string, { ipv4?: string }, string | undefined]>([
    ["is fine beside a public one", "192.168.1.5", { ipv4: "8.8.8.8" }, undefined],
    ["is none that is public", "8.8.8.8", { ipv4: "8.8.8.8" }, undefined],
    ["is none that a name stands for", "xmpp.example.test", {}, "xmpp.example.test"],
    ["is not published where clients get a name", "10.0.0.5", {}, "xmpp.example.test"],
  ])("%s", async (_name, address, published, target) => {
    expect(await at(address, published, target)).toEqual([]);
  });
});

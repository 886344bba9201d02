import { Secret } from "../../../config/secret";
import type { DnsSettings, Server } from "../../../config/settings";
import { dnsRecords } from "../../../dns/records";
import { zoneText } from "../../../dns/zone-text";
import { domain, server } from "../../fixtures/server";
import { certified } from "../../helpers/x509";

const base = server({ domains: [domain("example.com")], turn: { ...server().turn, domain: "example.com" } });
const dns = (changes: Partial<DnsSettings>): DnsSettings => ({ ...base.dns, ...changes });

/** `name TTL TYPE value` of each record. */
const records = (changes: Partial<Server> = {}, of = "example.com") =>
  dnsRecords({ ...base, ...changes })[of]!.flatMap(({ name, type, ttl, values }) =>
    values.map((value) => `${name} ${ttl} ${type} ${value}`),
  );
const having = (pattern: RegExp, changes: Partial<Server>, of?: string) =>
  records(changes, of).filter((record) => pattern.test(record));
const ports = (changes: Partial<Server["ports"]>) => ({ ports: { ...base.ports, ...changes } });

test("a server with every port", () => {
  expect(records({ dns: dns({ address: { ipv4: "203.0.113.5", ipv6: "2001:db8::5" } }) })).toEqual([
    "xmpp.example.com 3600 A 203.0.113.5",
    "xmpp.example.com 3600 AAAA 2001:db8::5",
    "_xmpp-client._tcp.example.com 3600 SRV 5 5 5222 xmpp.example.com.",
    "_xmpps-client._tcp.example.com 3600 SRV 0 5 5223 xmpp.example.com.",
    "_xmpp-server._tcp.example.com 3600 SRV 5 5 5269 xmpp.example.com.",
    "_xmpps-server._tcp.example.com 3600 SRV 0 5 5270 xmpp.example.com.",
    "conference.example.com 3600 CNAME xmpp.example.com.",
    "_xmpp-server._tcp.conference.example.com 3600 SRV 5 5 5269 xmpp.example.com.",
    "_xmpps-server._tcp.conference.example.com 3600 SRV 0 5 5270 xmpp.example.com.",
    "upload.example.com 3600 CNAME xmpp.example.com.",
    "proxy.example.com 3600 CNAME xmpp.example.com.",
    "_xmpp-server._tcp.proxy.example.com 3600 SRV 5 5 5269 xmpp.example.com.",
    "_xmpps-server._tcp.proxy.example.com 3600 SRV 0 5 5270 xmpp.example.com.",
    "turn.example.com 3600 CNAME xmpp.example.com.",
  ]);
});

describe("ports", () => {
  test.each<[keyof Server["ports"], string]>([
    ["clientStarttls", "_xmpp-client._tcp"],
    ["clientDirectTls", "_xmpps-client._tcp"],
    ["server", "_xmpp-server._tcp"],
    ["serverDirectTls", "_xmpps-server._tcp"],
  ])("%s: off there is no record, changed it says so", (port, label) => {
    const own = new RegExp(`^${label}\\.`);
    expect(having(own, ports({ [port]: false }))).toEqual([]);
    const [record] = having(own, ports({ [port]: 15000 }));
    expect(record).toMatch(/^\S+\.example\.com 3600 SRV [05] 5 15000 xmpp\.example\.com\.$/);
  });

  test("one on the loopback interface is nobody's business", () => {
    expect(having(/xmpp-client/, { options: { c2s_interfaces: ["127.0.0.1", "::1"] } })).toEqual([]);
  });

  test("the standard port of servers needs no records for rooms and components", () => {
    const standard = ports({ server: 5269, serverDirectTls: false });
    expect(having(/^_.*(conference|proxy)/, standard)).toEqual([]);
    expect(having(/^(conference|proxy)/, standard)).toHaveLength(2);
  });

  test("another one does, where users of other servers have to do with them", () => {
    expect(having(/^_xmpps?-server/, ports({ server: 5999, serverDirectTls: false }))).toEqual([
      "_xmpp-server._tcp.example.com 3600 SRV 5 5 5999 xmpp.example.com.",
      "_xmpp-server._tcp.conference.example.com 3600 SRV 5 5 5999 xmpp.example.com.",
      "_xmpp-server._tcp.proxy.example.com 3600 SRV 5 5 5999 xmpp.example.com.",
    ]);
  });

  test("an island has no records for servers", () => {
    expect(having(/server/, ports({ server: false, serverDirectTls: false }))).toEqual([]);
  });
});

test("a service that is off has no name, one below another subdomain has that", () => {
  const off = {
    conference: { ...base.conference, enabled: false },
    upload: { ...base.upload, enabled: false },
    proxy65: { ...base.proxy65, enabled: false },
  };
  expect(having(/conference|upload|proxy/, off)).toEqual([]);
  const rooms = { conference: { ...base.conference, subdomain: "rooms" } };
  expect(having(/conference|rooms/, rooms).filter((record) => record.includes("CNAME"))).toEqual([
    "rooms.example.com 3600 CNAME xmpp.example.com.",
  ]);
});

test("an external component has a name in its domain, which other servers find, too", () => {
  const component = (domain: string) => ({
    name: `irc.${domain}`,
    subdomain: "irc",
    domain,
    secret: new Secret("s"),
  });
  const changes = {
    domains: [domain("example.com"), domain("example.net")],
    components: [component("example.net")],
    ...ports({ server: 5999, serverDirectTls: false }),
  };
  expect(having(/irc/, changes)).toEqual([]);
  expect(having(/irc/, changes, "example.net")).toEqual([
    "irc.example.net 3600 CNAME xmpp.example.net.",
    "_xmpp-server._tcp.irc.example.net 3600 SRV 5 5 5999 xmpp.example.net.",
  ]);
});

describe("the target", () => {
  const two = { domains: [domain("example.com"), domain("xn--exmple-cua.example")] };

  test("is one per virtual host, so that each zone stands alone", () => {
    const all = [...records(two), ...records(two, "xn--exmple-cua.example")];
    expect(all.filter((record) => / A |_xmpp-client/.test(record))).toEqual([
      "xmpp.example.com 3600 A 192.0.2.1",
      "_xmpp-client._tcp.example.com 3600 SRV 5 5 5222 xmpp.example.com.",
      "xmpp.xn--exmple-cua.example 3600 A 192.0.2.1",
      "_xmpp-client._tcp.xn--exmple-cua.example 3600 SRV 5 5 5222 xmpp.xn--exmple-cua.example.",
    ]);
  });

  test("can be one for all, with its address in the domain that it lies in", () => {
    const shared = { ...two, dns: dns({ target: "chat.example.com" }) };
    const all = [...records(shared), ...records(shared, "xn--exmple-cua.example")];
    expect(all.filter((record) => / A |_xmpp-client/.test(record))).toEqual([
      "chat.example.com 3600 A 192.0.2.1",
      "_xmpp-client._tcp.example.com 3600 SRV 5 5 5222 chat.example.com.",
      "_xmpp-client._tcp.xn--exmple-cua.example 3600 SRV 5 5 5222 chat.example.com.",
    ]);
  });

  test("elsewhere has its address elsewhere", () => {
    const elsewhere = { dns: dns({ target: "host.provider.example" }) };
    expect(having(/ AAAA? /, elsewhere)).toEqual([]);
    expect(having(/^conference/, elsewhere)).toEqual([
      "conference.example.com 3600 CNAME host.provider.example.",
    ]);
  });

  test("is no alias of itself", () => {
    expect(having(/^conference/, { dns: dns({ target: "conference.example.com" }) })).toEqual([
      "conference.example.com 3600 A 192.0.2.1",
    ]);
  });

  test("of a domain below another one is in its own zone", () => {
    const below = { domains: [domain("example.com"), domain("im.example.com")] };
    expect(having(/ A /, below)).toEqual(["xmpp.example.com 3600 A 192.0.2.1"]);
    expect(having(/ A /, below, "im.example.com")).toEqual(["xmpp.im.example.com 3600 A 192.0.2.1"]);
  });
});

test("CAA names the authorities, with their parameters", () => {
  const caa = ["letsencrypt.org; accounturi=https://acme.example/1", "ca.example"];
  expect(having(/CAA/, { dns: dns({ caa }) })).toEqual([
    'example.com 3600 CAA 0 issue "ca.example"',
    'example.com 3600 CAA 0 issue "letsencrypt.org; accounturi=https://acme.example/1"',
  ]);
});

describe("TLSA", () => {
  const certificate = (name: string) => {
    const { certificate, key } = certified({ subject: name, names: [name] });
    return { name, certificate: { certificate, key: new Secret(key), intermediates: [] } };
  };
  const [com, net] = [certificate("example.com"), certificate("example.net")];

  test("has the public key for each port with an SRV record", () => {
    const own = having(/TLSA/, { domains: [com], dns: dns({ tlsa: true }) });
    expect(own.map((record) => record.replace(/[0-9a-f]{64}$/, "KEY"))).toEqual(
      [5222, 5223, 5269, 5270].map((port) => `_${port}._tcp.xmpp.example.com 3600 TLSA 3 1 1 KEY`),
    );
    expect(new Set(own.map((record) => record.slice(-64))).size).toBe(1);
  });

  test("has all keys that may answer at a shared target", () => {
    const shared = { domains: [com, net], dns: dns({ tlsa: true, target: "xmpp.example.com" }) };
    expect(having(/^_5222.*TLSA/, shared)).toHaveLength(2);
    expect(having(/TLSA/, shared, "example.net")).toEqual([]);
  });
});

test("as a zone file", () => {
  const { "example.com": sets } = dnsRecords({
    ...base,
    ...ports({ serverDirectTls: false }),
    dns: dns({ caa: ["ca.example"] }),
  });
  expect(zoneText("example.com", sets!)).toBe(`$ORIGIN example.com.
xmpp               3600 IN A     192.0.2.1
_xmpp-client._tcp  3600 IN SRV   5 5 5222 xmpp.example.com.
_xmpps-client._tcp 3600 IN SRV   0 5 5223 xmpp.example.com.
_xmpp-server._tcp  3600 IN SRV   5 5 5269 xmpp.example.com.
conference         3600 IN CNAME xmpp.example.com.
upload             3600 IN CNAME xmpp.example.com.
proxy              3600 IN CNAME xmpp.example.com.
turn               3600 IN CNAME xmpp.example.com.
@                  3600 IN CAA   0 issue "ca.example"
`);
});

test("a lifetime that is left to Cloudflare is none in a zone file", () => {
  const set = { name: "a.example", type: "A" as const, ttl: 1, values: ["192.0.2.1"] };
  expect(zoneText("example", [set])).toBe("$ORIGIN example.\na  IN A 192.0.2.1\n");
});

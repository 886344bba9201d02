import { Secret } from "../../config/secret";
import type { RecordSet, RecordType } from "../../dns/record-set";
import { labKey, modestKey, powerlessKey } from "../../lab/name-server";
import { TcpNameServer } from "../../providers/dns/tcp-name-server";
import type { DnsRecordSetInputs } from "../../providers/dns-record-set";
import { dnsRecordSetHandler as handler } from "../../providers/handlers/dns-record-set";
import { ZoneHost } from "../helpers/zone-host";

jest.setTimeout(30_000);

/** Records on a real BIND, without the engine. */
describe("by dynamic updates", () => {
  let zone: ZoneHost;

  beforeAll(async () => {
    zone = await ZoneHost.make("dns-record-sets");
  }, 300_000);

  describe("record sets", () => {
    const settings = {
      address: "",
      port: 53,
      key: { ...labKey, name: labKey.name as string, secret: new Secret(labKey.secret) },
      takeOver: false,
    };
    const open = (changes: Partial<typeof settings> = {}) =>
      new TcpNameServer({ ...settings, address: zone.machine.address, ...changes } as ConstructorParameters<
        typeof TcpNameServer
      >[0]);
    const inputs = (name: string, type: RecordType, ...values: string[]): DnsRecordSetInputs => ({
      server: "prosody",
      name,
      type,
      ttl: 600,
      values,
    });

    test("of all types are written in one update, and read as they were written", async () => {
      const before = await zone.serial();
      const sets: Omit<RecordSet, "ttl">[] = [
        { name: "t.example.test", type: "A", values: ["192.0.2.1"] },
        { name: "t.example.test", type: "AAAA", values: ["2001:db8::5"] },
        { name: "alias.example.test", type: "CNAME", values: ["t.example.test."] },
        {
          name: "_x._tcp.example.test",
          type: "SRV",
          values: ["0 5 5223 t.example.test.", "5 5 5222 t.example.test."],
        },
        {
          name: "t.example.test",
          type: "CAA",
          values: ['0 issue "ca.example; accounturi=https://ca.example/1"'],
        },
        { name: "_5222._tcp.t.example.test", type: "TLSA", values: [`3 1 1 ${"ab".repeat(32)}`] },
      ];
      const server = open();
      const states = await Promise.all(
        sets.map(({ name, type, values }) => handler.create(server, inputs(name, type, ...values))),
      );
      expect(await zone.serial()).toBe(before + 1);
      expect(await Promise.all(states.map((state) => handler.read(server, state)))).toEqual(states);
      expect(await zone.records()).toEqual([
        "_5222._tcp.t.example.test 600 TLSA 3 1 1 ABABABABABABABABABABABABABABABABABABABABABABABABABABABAB ABABABAB",
        "_x._tcp.example.test 600 SRV 0 5 5223 t.example.test.",
        "_x._tcp.example.test 600 SRV 5 5 5222 t.example.test.",
        "alias.example.test 600 CNAME t.example.test.",
        "t.example.test 600 A 192.0.2.1",
        "t.example.test 600 AAAA 2001:db8::5",
        't.example.test 600 CAA 0 issue "ca.example; accounturi=https://ca.example/1"',
      ]);
      await Promise.all(states.map((state) => handler.create(server, state))); // adopts
      expect(await zone.serial()).toBe(before + 1);
      await Promise.all(states.map((state) => handler.delete(server, state)));
      await Promise.all(states.map((state) => handler.delete(server, state))); // is gone
      expect(await zone.records()).toEqual([]);
    });

    test("lie in the nearest zone, whatever an alias leads to", async () => {
      const server = open();
      await zone.byHand("zone sub.example.test", "update add a.sub.example.test 60 CNAME t.example.test.");
      expect(await server.zoneOf("_xmpp-client._tcp.sub.example.test")).toBe("sub.example.test");
      expect(await server.zoneOf("a.sub.example.test")).toBe("sub.example.test");
      expect(await server.zoneOf("sub.example.test")).toBe("sub.example.test");
      expect(await server.zoneOf("example.test")).toBe("example.test");
    });

    test("of somebody else are an error, or replaced where that is wanted", async () => {
      await zone.byHand("update add _y._tcp.example.test 60 SRV 1 1 5222 old.example.test.");
      const wanted = inputs("_y._tcp.example.test", "SRV", "5 5 5222 t.example.test.");
      await expect(handler.create(open(), wanted)).rejects.toThrow(
        `name server ${zone.machine.address}:53: _y._tcp.example.test already has SRV 1 1 5222 old.example.test., which this stack did not make: clients would take either. Remove it there, or set prosody:dns.takeOver to true to have it replaced.`,
      );
      const server = open({ takeOver: true });
      const state = await handler.create(server, wanted);
      expect(await zone.records()).toEqual(["_y._tcp.example.test 600 SRV 5 5 5222 t.example.test."]);
      await handler.delete(server, state);
    });

    test("beside somebody else's authority leave it alone, and take only their own away", async () => {
      await zone.byHand('update add example.test 60 CAA 0 issue "others.example"');
      const server = open();
      const first = await handler.create(server, inputs("example.test", "CAA", '0 issue "one.example"'));
      const state = await handler.update(
        server,
        first,
        inputs("example.test", "CAA", '0 issue "two.example"'),
      );
      expect(await handler.read(server, state)).toEqual(state);
      expect(await zone.records()).toEqual([
        'example.test 600 CAA 0 issue "others.example"',
        'example.test 600 CAA 0 issue "two.example"',
      ]);
      await handler.delete(server, state);
      expect(await zone.records()).toEqual(['example.test 600 CAA 0 issue "others.example"']);
      await zone.byHand("update delete example.test CAA");
    });

    test("that were there before the stack stay at a destroy", async () => {
      await zone.byHand("update add t.example.test 60 A 192.0.2.1");
      const server = open();
      const state = await handler.create(server, inputs("t.example.test", "A", "192.0.2.1"));
      expect(await zone.records()).toEqual(["t.example.test 600 A 192.0.2.1"]);
      await handler.delete(server, state);
      expect(await zone.records()).toEqual(["t.example.test 600 A 192.0.2.1"]);
      await zone.byHand("update delete t.example.test A");
    });

    test("that can't stand beside an alias say so, and spare the others of the same update", async () => {
      await zone.byHand(
        "update add c.example.test 60 CNAME old.example.test.",
        "update add d.example.test 60 A 192.0.2.1",
      );
      const server = open();
      const outcomes = await Promise.allSettled([
        handler.create(server, inputs("c.example.test", "A", "192.0.2.2")),
        handler.create(server, inputs("d.example.test", "CNAME", "t.example.test.")),
        handler.create(server, inputs("e.example.test", "A", "192.0.2.3")),
      ]);
      expect(
        outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason.message : "done")),
      ).toEqual([
        `name server ${zone.machine.address}:53: c.example.test is an alias (CNAME) there, beside which no A record can stand. Remove it there, even if this stack made it, and run pulumi up again; set prosody:dns.takeOver to true to have addresses and aliases replaced; or choose another name.`,
        `name server ${zone.machine.address}:53: d.example.test already has records of other types, beside which no alias (CNAME) can stand. Remove them there, even if this stack made them, and run pulumi up again; set prosody:dns.takeOver to true to have addresses and aliases replaced; or give the service another subdomain.`,
        "done",
      ]);
      await zone.byHand(...["c", "d", "e"].map((name) => `update delete ${name}.example.test`));
    });

    test("replace an alias, and addresses by an alias, where that is wanted, but nothing else beside them", async () => {
      await zone.byHand(
        "update add c.example.test 60 CNAME old.example.test.",
        "update add d.example.test 60 A 192.0.2.1",
        "update add d.example.test 60 AAAA 2001:db8::1",
        "update add e.example.test 60 A 192.0.2.1",
        "update add e.example.test 60 TXT theirs",
      );
      const server = open({ takeOver: true });
      const outcomes = await Promise.allSettled([
        handler.create(server, inputs("c.example.test", "A", "192.0.2.2")),
        handler.create(server, inputs("c.example.test", "AAAA", "2001:db8::2")),
        handler.create(server, inputs("d.example.test", "CNAME", "t.example.test.")),
        handler.create(server, inputs("e.example.test", "CNAME", "t.example.test.")),
      ]);
      expect(
        outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason.message : "done")),
      ).toEqual([
        "done",
        "done",
        "done",
        `name server ${zone.machine.address}:53: e.example.test already has records of other types than A and AAAA, beside which no alias (CNAME) can stand. Remove them there, even if this stack made them, and run pulumi up again; or give the service another subdomain.`,
      ]);
      expect(await zone.records()).toEqual([
        "c.example.test 600 A 192.0.2.2",
        "c.example.test 600 AAAA 2001:db8::2",
        "d.example.test 600 CNAME t.example.test.",
        "e.example.test 60 A 192.0.2.1",
        'e.example.test 60 TXT "theirs"',
      ]);
      await zone.byHand(...["c", "d", "e"].map((name) => `update delete ${name}.example.test`));
    });

    test("stand beside wildcards, whose answers are neither somebody else's records nor adopted", async () => {
      await zone.byHand(
        "update add *.example.test 600 A 192.0.2.7",
        "update add *.w.example.test 600 CNAME www.example.test.",
      );
      const server = open();
      const states = await Promise.all([
        handler.create(server, inputs("other.example.test", "A", "192.0.2.1")),
        handler.create(server, inputs("same.example.test", "A", "192.0.2.7")),
        handler.create(server, inputs("rooms.w.example.test", "CNAME", "other.example.test.")),
        handler.create(server, inputs("_x._tcp.w.example.test", "SRV", "5 5 5222 other.example.test.")),
      ]);
      expect(await zone.records()).toEqual([
        "*.example.test 600 A 192.0.2.7",
        "*.w.example.test 600 CNAME www.example.test.",
        "_x._tcp.w.example.test 600 SRV 5 5 5222 other.example.test.",
        "other.example.test 600 A 192.0.2.1",
        "rooms.w.example.test 600 CNAME other.example.test.",
        "same.example.test 600 A 192.0.2.7",
      ]);
      await Promise.all(states.map((state) => handler.delete(server, state)));
      expect(await zone.records()).toHaveLength(2);
      await zone.byHand("update delete *.example.test A", "update delete *.w.example.test CNAME");
    });

    test("of a type that the key may not change are an error that names them, and spare the others", async () => {
      const server = open({ key: { ...modestKey, secret: settings.key.secret } });
      const outcomes = await Promise.allSettled([
        handler.create(server, inputs("example.test", "CAA", '0 issue "ca.example"')),
        handler.create(server, inputs("m.example.test", "A", "192.0.2.3")),
      ]);
      expect(
        outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason.message : "done")),
      ).toEqual([
        `name server ${zone.machine.address}:53: it does not let the key modest change example.test CAA in the zone example.test. Allow it there (BIND: update-policy or allow-update in the zone).`,
        "done",
      ]);
      await zone.byHand("update delete m.example.test");
    });

    test.each<[string, object, string]>([
      [
        "another secret",
        { key: { ...labKey, secret: new Secret("YW5vdGhlciBzZWNyZXQ=") } },
        "its key lab has another secret. Compare prosody:dns.key.secret with its configuration.",
      ],
      [
        "an unknown key",
        { key: { ...labKey, name: "nobody", secret: settings.key.secret } },
        "it has no key nobody for hmac-sha256. Compare name and algorithm of prosody:dns.key with its configuration.",
      ],
      [
        "another algorithm",
        { key: { ...labKey, algorithm: "hmac-sha512", secret: settings.key.secret } },
        "it has no key lab for hmac-sha512. Compare name and algorithm of prosody:dns.key with its configuration.",
      ],
      [
        "a key that may change nothing",
        { key: { ...powerlessKey, secret: settings.key.secret } },
        "it does not let the key powerless change t.example.test A in the zone example.test. Allow it there (BIND: update-policy or allow-update in the zone).",
      ],
      [
        "a port where nothing listens",
        { port: 54 },
        "it can't be reached over TCP (connect ECONNREFUSED HOST:54).",
      ],
    ])("%s is a clear error", async (_what, access, message) => {
      const attempt = handler.create(open(access), inputs("t.example.test", "A", "192.0.2.1"));
      const { port } = { port: 53, ...access };
      await expect(attempt).rejects.toThrow(
        `name server ${zone.machine.address}:${port}: ${message.replace("HOST", zone.machine.address)}`,
      );
      expect(await zone.records()).toEqual([]);
    });

    test("a name that the server is no authority for is a clear error", async () => {
      const attempt = handler.create(open(), inputs("xmpp.example.org", "A", "192.0.2.1"));
      await expect(attempt).rejects.toThrow(
        "it does not answer for xmpp.example.org as the authority. Give the zone's primary name server in prosody:dns.nameServer, and let the key lab read the zone (BIND: allow-query).",
      );
    });
  });
});

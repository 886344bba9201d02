import { promises } from "node:dns";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { root } from "../../config/root";
import { Secret } from "../../config/secret";
import type { RecordSet, RecordType } from "../../dns/record-set";
import { labKey, modestKey, nameServer, powerlessKey } from "../../lab/name-server";
import { TcpNameServer } from "../../providers/dns/tcp-name-server";
import type { DnsRecordSetInputs } from "../../providers/dns-record-set";
import { dnsRecordSetHandler as handler } from "../../providers/handlers/dns-record-set";
import { login } from "../../tools/login";
import { hostConfig } from "../helpers/host";
import { type Certificate, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";

const alice = { jid: "alice@example.test", password: "Alice's only" };
const clean = { code: 0, rows: [], text: expect.any(String) };

jest.setTimeout(30_000);

/** Records on a real BIND, which runs on the host of the server that they are about. */
describe("by dynamic updates", () => {
  let host: LabHost;
  let tls: Certificate;

  /** The records of a zone but its own, `name TTL type value`, as BIND itself tells. */
  const zone = async (name = "example.test") => {
    const all = await host.exec(`dig +noall +answer +onesoa @localhost -y ${keyText()} ${name} AXFR`);
    return all
      .trim()
      .split("\n")
      .map((line) => line.split(/\s+/).filter((word) => word !== "IN"))
      .filter(([owner, , type]) => !["SOA", "NS"].includes(type!) && !owner!.startsWith("ns."))
      .filter(([owner, , type]) => !(owner === `${name}.` && type === "A"))
      .map(([owner, ttl, type, ...value]) => `${owner!.replace(/\.$/, "")} ${ttl} ${type} ${value.join(" ")}`)
      .sort();
  };
  const keyText = () => `${labKey.algorithm}:${labKey.name}:${labKey.secret}`;
  /** Somebody else's hand on the zone. */
  const byHand = (...changes: string[]) =>
    host.exec(
      `printf '%s\\n' ${["server localhost", ...changes, "send"].map((line) => `'${line}'`).join(" ")} | nsupdate -y ${keyText()}`,
    );

  beforeAll(async () => {
    host = await lab("dns");
    [tls] = await Promise.all([
      certificate("example.test"),
      nameServer(host, ["example.test", "sub.example.test"]),
    ]);
  }, 300_000);

  describe("record sets", () => {
    const settings = {
      address: "",
      port: 53,
      key: { ...labKey, name: labKey.name as string, secret: new Secret(labKey.secret) },
      takeOver: false,
    };
    const open = (changes: Partial<typeof settings> = {}) =>
      new TcpNameServer({ ...settings, address: host.address, ...changes } as ConstructorParameters<
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
      const before = await serial();
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
      expect(await serial()).toBe(before + 1);
      expect(await Promise.all(states.map((state) => handler.read(server, state)))).toEqual(states);
      expect(await zone()).toEqual([
        "_5222._tcp.t.example.test 600 TLSA 3 1 1 ABABABABABABABABABABABABABABABABABABABABABABABABABABABAB ABABABAB",
        "_x._tcp.example.test 600 SRV 0 5 5223 t.example.test.",
        "_x._tcp.example.test 600 SRV 5 5 5222 t.example.test.",
        "alias.example.test 600 CNAME t.example.test.",
        "t.example.test 600 A 192.0.2.1",
        "t.example.test 600 AAAA 2001:db8::5",
        't.example.test 600 CAA 0 issue "ca.example; accounturi=https://ca.example/1"',
      ]);
      await Promise.all(states.map((state) => handler.create(server, state))); // adopts
      expect(await serial()).toBe(before + 1);
      await Promise.all(states.map((state) => handler.delete(server, state)));
      await Promise.all(states.map((state) => handler.delete(server, state))); // is gone
      expect(await zone()).toEqual([]);
    });

    test("lie in the nearest zone, whatever an alias leads to", async () => {
      const server = open();
      await byHand("zone sub.example.test", "update add a.sub.example.test 60 CNAME t.example.test.");
      expect(await server.zoneOf("_xmpp-client._tcp.sub.example.test")).toBe("sub.example.test");
      expect(await server.zoneOf("a.sub.example.test")).toBe("sub.example.test");
      expect(await server.zoneOf("sub.example.test")).toBe("sub.example.test");
      expect(await server.zoneOf("example.test")).toBe("example.test");
    });

    test("of somebody else are an error, or replaced where that is wanted", async () => {
      await byHand("update add _y._tcp.example.test 60 SRV 1 1 5222 old.example.test.");
      const wanted = inputs("_y._tcp.example.test", "SRV", "5 5 5222 t.example.test.");
      await expect(handler.create(open(), wanted)).rejects.toThrow(
        `name server ${host.address}:53: _y._tcp.example.test already has SRV 1 1 5222 old.example.test., which this stack did not make: clients would take either. Remove it there, or set prosody:dns.takeOver to true to have it replaced.`,
      );
      const server = open({ takeOver: true });
      const state = await handler.create(server, wanted);
      expect(await zone()).toEqual(["_y._tcp.example.test 600 SRV 5 5 5222 t.example.test."]);
      await handler.delete(server, state);
    });

    test("beside somebody else's authority leave it alone, and take only their own away", async () => {
      await byHand('update add example.test 60 CAA 0 issue "others.example"');
      const server = open();
      const first = await handler.create(server, inputs("example.test", "CAA", '0 issue "one.example"'));
      const state = await handler.update(
        server,
        first,
        inputs("example.test", "CAA", '0 issue "two.example"'),
      );
      expect(await handler.read(server, state)).toEqual(state);
      expect(await zone()).toEqual([
        'example.test 600 CAA 0 issue "others.example"',
        'example.test 600 CAA 0 issue "two.example"',
      ]);
      await handler.delete(server, state);
      expect(await zone()).toEqual(['example.test 600 CAA 0 issue "others.example"']);
      await byHand("update delete example.test CAA");
    });

    test("that were there before the stack stay at a destroy", async () => {
      await byHand("update add t.example.test 60 A 192.0.2.1");
      const server = open();
      const state = await handler.create(server, inputs("t.example.test", "A", "192.0.2.1"));
      expect(await zone()).toEqual(["t.example.test 600 A 192.0.2.1"]);
      await handler.delete(server, state);
      expect(await zone()).toEqual(["t.example.test 600 A 192.0.2.1"]);
      await byHand("update delete t.example.test A");
    });

    test("that can't stand beside an alias say so, and spare the others of the same update", async () => {
      await byHand(
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
        `name server ${host.address}:53: c.example.test is an alias (CNAME) there, beside which no A record can stand. Remove it, or choose another name.`,
        `name server ${host.address}:53: d.example.test already has records of other types, beside which no alias (CNAME) can stand. Remove them there, or give the service another subdomain.`,
        "done",
      ]);
      await byHand(...["c", "d", "e"].map((name) => `update delete ${name}.example.test`));
    });

    test("stand beside wildcards, whose answers are neither somebody else's records nor adopted", async () => {
      await byHand(
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
      expect(await zone()).toEqual([
        "*.example.test 600 A 192.0.2.7",
        "*.w.example.test 600 CNAME www.example.test.",
        "_x._tcp.w.example.test 600 SRV 5 5 5222 other.example.test.",
        "other.example.test 600 A 192.0.2.1",
        "rooms.w.example.test 600 CNAME other.example.test.",
        "same.example.test 600 A 192.0.2.7",
      ]);
      await Promise.all(states.map((state) => handler.delete(server, state)));
      expect(await zone()).toHaveLength(2);
      await byHand("update delete *.example.test A", "update delete *.w.example.test CNAME");
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
        `name server ${host.address}:53: it does not let the key modest change example.test CAA in the zone example.test. Allow it there (BIND: update-policy or allow-update in the zone).`,
        "done",
      ]);
      await byHand("update delete m.example.test");
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
        `name server ${host.address}:${port}: ${message.replace("HOST", host.address)}`,
      );
      expect(await zone()).toEqual([]);
    });

    test("a name that the server is no authority for is a clear error", async () => {
      const attempt = handler.create(open(), inputs("xmpp.example.org", "A", "192.0.2.1"));
      await expect(attempt).rejects.toThrow(
        "it does not answer for xmpp.example.org as the authority. Give the zone's primary name server in prosody:dns.nameServer, and let the key lab read the zone (BIND: allow-query).",
      );
    });

    async function serial(): Promise<number> {
      return Number((await host.exec("dig +short @localhost example.test SOA")).split(" ")[2]);
    }
  });

  describe("a server", () => {
    let stack: Stack;
    const dns = (more: object = {}) => ({
      provider: "rfc2136",
      nameServer: host.address,
      address: { ipv4: host.address }, // behind a jump host, nothing else tells it
      key: { ...labKey, secret: secret(labKey.secret) },
      caa: ["ca.example"],
      ...more,
    });
    const srv = (port: number, label: string, priority = 5) =>
      `${label}._tcp.example.test 3600 SRV ${priority} 5 ${port} xmpp.example.test.`;
    const alias = (name: string) => `${name}.example.test 3600 CNAME xmpp.example.test.`;
    const expected = () => [
      srv(5222, "_xmpp-client"),
      srv(5269, "_xmpp-server"),
      srv(5223, "_xmpps-client", 0),
      alias("conference"),
      'example.test 3600 CAA 0 issue "ca.example"',
      alias("proxy"),
      alias("turn"),
      alias("upload"),
      `xmpp.example.test 3600 A ${host.address}`,
    ];

    beforeAll(async () => {
      stack = await Stack.create({
        host: hostConfig(host),
        domains: {
          "example.test": filesOf(tls),
        },
        jids: { [alice.jid]: secret(alice.password) },
        dns: dns(),
      });
    }, 60_000);
    afterAll(() => stack?.remove());

    test("is found by its domain alone", async () => {
      const { code, text } = await stack.up();
      expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
      expect(await zone()).toEqual(expected());
      const resolver = new promises.Resolver();
      resolver.setServers([host.address]);
      const [found] = await resolver.resolveSrv("_xmpp-client._tcp.example.test");
      const [address] = await resolver.resolve4(found!.name);
      expect(await login({ address: address!, port: found!.port, caFile: tls.caFile }, alice)).toMatchObject({
        jid: "alice@example.test/login",
      });
    }, 200_000);

    test("up again changes nothing", async () => {
      const { code, text } = await stack.up();
      expect({ code, text }).toEqual({ code: 0, text: expect.stringMatching(/Resources:\n +\d+ unchanged/) });
      expect(await stack.drift()).toEqual(clean);
    }, 60_000);

    test("its zone text is one that BIND accepts, and has the same records", async () => {
      const { prosody } = JSON.parse(await stack.must("stack", "output", "--json", "servers"));
      const text = `$ORIGIN example.test.\n@ 300 IN SOA ns hostmaster 1 2 3 4 5\n@ 300 IN NS ns\nns 300 IN A 192.0.2.53\n${prosody.dnsZones["example.test"]}`;
      const listed = await host.exec(
        `cat >/tmp/zone <<'END'\n${text}END\nnamed-checkzone -i full -s full -o /tmp/listed example.test /tmp/zone && cat /tmp/listed`,
      );
      expect(listed).toContain("\nOK\n");
      const records = listed
        .split("\n")
        .map((line) => line.split(/\s+/))
        .filter(
          ([owner, , klass, type]) =>
            klass === "IN" && !["SOA", "NS"].includes(type!) && !owner!.startsWith("ns."),
        )
        .map(([owner, ttl, , ...rest]) => [owner!.replace(/\.$/, ""), ttl, ...rest].join(" "));
      expect(records.sort()).toEqual(expected());
    });

    test("drift shows under the record that it concerns, and up repairs it", async () => {
      await byHand(
        "update delete _xmpp-client._tcp.example.test SRV",
        "update add _xmpp-client._tcp.example.test 3600 SRV 5 5 5333 xmpp.example.test.",
        "update add _xmpp-server._tcp.example.test 3600 SRV 9 9 5269 evil.example.test.",
        "update delete conference.example.test CNAME",
        "update delete xmpp.example.test A",
        `update add xmpp.example.test 60 A ${host.address}`,
      );
      const { rows, text } = await stack.drift();
      expect(rows).toEqual([
        "DnsRecordSet _xmpp-client._tcp.example.test SRV update",
        "DnsRecordSet _xmpp-server._tcp.example.test SRV update",
        "DnsRecordSet conference.example.test CNAME create",
        "DnsRecordSet xmpp.example.test A update",
      ]);
      expect(text).toMatch(/"5 5 5333 xmpp.example.test." => "5 5 5222 xmpp.example.test."/);
      expect(text).toMatch(/~ ttl *: 60 => 3600/);
      expect((await stack.up()).code).toBe(0);
      expect(await zone()).toEqual(expected());
      expect(await stack.drift()).toEqual(clean);
    }, 120_000);

    test("a changed port changes its records, one that is off has none", async () => {
      await stack.configure({
        ports: { clientStarttls: 15222, clientDirectTls: false, server: 15269 },
        upload: false,
      });
      const { code, text } = await stack.up();
      expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
      expect(await zone()).toEqual([
        srv(15222, "_xmpp-client"),
        "_xmpp-server._tcp.conference.example.test 3600 SRV 5 5 15269 xmpp.example.test.",
        srv(15269, "_xmpp-server"),
        "_xmpp-server._tcp.proxy.example.test 3600 SRV 5 5 15269 xmpp.example.test.",
        alias("conference"),
        'example.test 3600 CAA 0 issue "ca.example"',
        alias("proxy"),
        alias("turn"),
        `xmpp.example.test 3600 A ${host.address}`,
      ]);
    }, 120_000);

    test("the key is in no plain state, and in no output", async () => {
      const before = await stack.export();
      expect(before).not.toContain(labKey.secret);
    });

    test("can move to Cloudflare (a stand-in for its plugin), and comes back", async () => {
      const directory = mkdtempSync(path.join(tmpdir(), "cloudflare-"));
      const file = path.join(directory, "records.json");
      const { PATH } = process.env;
      process.env.PATH = `${path.join(root, "tests/fixtures/cloudflare-stand-in")}:${PATH}`;
      process.env.CLOUDFLARE_STAND_IN = file;
      const records = (): Record<string, unknown>[] => Object.values(JSON.parse(readFileSync(file, "utf8")));
      try {
        const zones = { "example.test": "023e105f4ecef8ad9ca31a8372d0c353" };
        const apiToken = secret("a token of Cloudflare");
        await stack.configure({ dns: dns({ provider: "cloudflare", zones, apiToken }) });
        const { code, text } = await stack.up();
        expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
        expect(await zone()).toEqual([]);
        expect(records()).toHaveLength(9);
        expect(records()).toContainEqual({
          zoneId: zones["example.test"],
          name: "_xmpp-client._tcp.example.test",
          type: "SRV",
          ttl: 1,
          comment: "XMPP, by prosody-pulumi",
          priority: 5,
          data: { priority: 5, weight: 5, port: 15222, target: "xmpp.example.test" },
        });
        expect(await stack.export()).not.toContain("a token of Cloudflare");
        expect(await stack.up()).toMatchObject({
          code: 0,
          text: expect.stringMatching(/Resources:\n +\d+ unchanged/),
        });
        await stack.configure({ dns: dns() });
        expect(await stack.up()).toMatchObject({ code: 0 });
        expect(records()).toEqual([]);
        expect(await zone()).toHaveLength(9);
      } finally {
        process.env.PATH = PATH;
        rmSync(directory, { recursive: true });
      }
    }, 180_000);

    test("destroy takes away its own records, and no others", async () => {
      await byHand(
        'update add example.test 60 CAA 0 issue "others.example"',
        "update add www.example.test 60 A 192.0.2.1",
      );
      const { code, text } = await stack.destroy();
      expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
      expect(await zone()).toEqual([
        'example.test 60 CAA 0 issue "others.example"',
        "www.example.test 60 A 192.0.2.1",
      ]);
    }, 120_000);
  });
});

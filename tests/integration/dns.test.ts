import { promises } from "node:dns";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { root } from "../../config/root";
import { labKey } from "../../lab/name-server";
import { login } from "../../tools/login";
import { hostConfig } from "../helpers/host";
import { type Certificate, certificate, filesOf } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";
import { ZoneHost } from "../helpers/zone-host";

const alice = { jid: "alice@example.test", password: "Alice's only" };
const clean = { code: 0, rows: [], text: expect.any(String) };

jest.setTimeout(30_000);

/** The records of a whole server, on a real BIND that runs on the server's own host. */
describe("by dynamic updates", () => {
  let zone: ZoneHost;
  let tls: Certificate;

  beforeAll(async () => {
    [zone, tls] = await Promise.all([ZoneHost.make("dns"), certificate("example.test")]);
  }, 300_000);

  describe("a server", () => {
    let stack: Stack;
    const dns = (more: object = {}) => ({
      provider: "rfc2136",
      nameServer: zone.machine.address,
      address: { ipv4: zone.machine.address }, // behind a jump host, nothing else tells it
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
      `xmpp.example.test 3600 A ${zone.machine.address}`,
    ];

    beforeAll(async () => {
      stack = await Stack.create({
        host: hostConfig(zone.machine),
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
      expect(await zone.records()).toEqual(expected());
      const resolver = new promises.Resolver();
      resolver.setServers([zone.machine.address]);
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
      const listed = await zone.machine.exec(
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
      await zone.byHand(
        "update delete _xmpp-client._tcp.example.test SRV",
        "update add _xmpp-client._tcp.example.test 3600 SRV 5 5 5333 xmpp.example.test.",
        "update add _xmpp-server._tcp.example.test 3600 SRV 9 9 5269 evil.example.test.",
        "update delete conference.example.test CNAME",
        "update delete xmpp.example.test A",
        `update add xmpp.example.test 60 A ${zone.machine.address}`,
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
      expect(await zone.records()).toEqual(expected());
      expect(await stack.drift()).toEqual(clean);
    }, 120_000);

    test("a name that was an alias becomes the target, and an alias again, once it is removed by hand or with takeOver", async () => {
      for (const { target, reason, type } of [
        { target: "conference.example.test", reason: "Remove it there, even if", type: "CNAME" },
        { target: undefined, reason: "Remove them there, even if", type: "A" },
      ]) {
        await stack.configure({ dns: dns({ target }) });
        expect(await stack.up()).toMatchObject({ code: 1, text: expect.stringContaining(reason) });
        await zone.byHand(`update delete conference.example.test ${type}`);
        const { code, text } = await stack.up();
        expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
        expect(await stack.drift()).toEqual(clean);
      }
      expect(await zone.records()).toEqual(expected());
      for (const target of ["conference.example.test", undefined]) {
        await stack.configure({ dns: dns({ target, takeOver: true }) });
        expect(await stack.up()).toMatchObject({ code: 0 });
        expect(await stack.drift()).toEqual(clean);
      }
      await stack.configure({ dns: dns() });
      expect(await zone.records()).toEqual(expected());
    }, 300_000);

    test("a changed port changes its records, one that is off has none", async () => {
      await stack.configure({
        ports: { clientStarttls: 15222, clientDirectTls: false, server: 15269 },
        upload: false,
      });
      const { code, text } = await stack.up();
      expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
      expect(await zone.records()).toEqual([
        srv(15222, "_xmpp-client"),
        "_xmpp-server._tcp.conference.example.test 3600 SRV 5 5 15269 xmpp.example.test.",
        srv(15269, "_xmpp-server"),
        "_xmpp-server._tcp.proxy.example.test 3600 SRV 5 5 15269 xmpp.example.test.",
        alias("conference"),
        'example.test 3600 CAA 0 issue "ca.example"',
        alias("proxy"),
        alias("turn"),
        `xmpp.example.test 3600 A ${zone.machine.address}`,
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
        expect(await zone.records()).toEqual([]);
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
        expect(await zone.records()).toHaveLength(9);
      } finally {
        process.env.PATH = PATH;
        rmSync(directory, { recursive: true });
      }
    }, 180_000);

    test("destroy takes away its own records, and no others", async () => {
      await zone.byHand(
        'update add example.test 60 CAA 0 issue "others.example"',
        "update add www.example.test 60 A 192.0.2.1",
      );
      const { code, text } = await stack.destroy();
      expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
      expect(await zone.records()).toEqual([
        'example.test 60 CAA 0 issue "others.example"',
        "www.example.test 60 A 192.0.2.1",
      ]);
    }, 120_000);
  });
});

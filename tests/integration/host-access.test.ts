import https from "node:https";
import { packageHandler } from "../../providers/handlers/package";
import { selinuxPortHandler } from "../../providers/handlers/selinux-port";
import type { SelinuxPortState } from "../../providers/selinux-port";
import { distributions } from "../helpers/distribution";
import { HandlerHost } from "../helpers/handler-host";
import { allReleases, certificate, filesOf } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";

const server = "xmpp.example.test";
const tool = "policycoreutils-python-utils";

/** The policy store of SELinux, and a whole server; the lab's kernel has no SELinux (see `npm run selinux-guest`). */
describe.each(allReleases)("on %s", (release) => {
  const isDebian = distributions[release].family === "debian";
  let host: HandlerHost;

  beforeAll(async () => {
    host = await HandlerHost.makeForAdmin("host-access", release);
  }, 200_000);

  afterAll(() => host?.connection.close());

  describe("SELinux's policy", () => {
    const wanted = (port: number, required = true) => ({
      server,
      port: `${port}/tcp`,
      required,
      allowed: true,
    });
    const create = (...ports: number[]) =>
      Promise.all(ports.map((port) => selinuxPortHandler.create(host.connection, wanted(port))));
    const read = async (state: SelinuxPortState) => (await selinuxPortHandler.read(host.connection, state))!;
    const local = async () => (await host.shell("semanage port -l -C -n | tr -s ' '")).split("\n").sort();
    const given = { label: "jabber_client_port_t" };
    let states: SelinuxPortState[];

    test("a host without SELinux needs nothing; where it is required, the error says what is missing", async () => {
      const idle = await selinuxPortHandler.create(host.connection, wanted(5347, false));
      expect(idle).toEqual({ server, port: "5347/tcp", required: false, mode: "disabled", given: false });
      expect(await read(idle)).toEqual(idle);
      await selinuxPortHandler.delete(host.connection, idle);
      const semanage = { server, package: tool, installed: true } as const;
      const unneeded = await packageHandler.create(host.connection, { ...semanage, when: "selinux" });
      expect(unneeded).toMatchObject({ needed: false, installed: false });
      await expect(create(5347)).rejects.toThrow(
        /^the host has no semanage\. Install policycoreutils-python-utils/,
      );
      await packageHandler.create(host.connection, semanage);
      await expect(create(5347)).rejects.toThrow(
        /^the host has no SELinux policy that semanage can change \(ValueError: .*\)\. Install one \(selinux-policy-default/,
      );
      await host.install(isDebian ? "selinux-policy-default" : "selinux-policy-targeted");
    }, 300_000);

    test("ports get a label that Prosody may bind where the policy has another", async () => {
      states = await create(5222, 8080, 5347, 15222);
      expect(states.map(({ given }) => given)).toEqual([false, given, given, given]);
      expect(states[3]).toEqual({ ...wanted(15222), mode: "disabled", label: "jabber_client_port_t", given });
      expect(await local()).toEqual([expect.stringMatching(/^jabber_client_port_t tcp (8080|5347|15222), /)]);
      expect(await Promise.all(states.map(read))).toEqual(states);
    }, 100_000);

    test("drift is found and repaired; what is right is adopted, and stays at the end", async () => {
      await host.shell(
        "printf '%s\\n' 'port -m -t http_port_t -p tcp 5347' 'port -d -t jabber_client_port_t -p tcp 8080' " +
          "'port -a -t jabber_interserver_port_t -p tcp 15269' | semanage import 2>&1",
      );
      const found = await Promise.all(states.map(read));
      expect(found.map(({ allowed, label }) => ({ allowed, label }))).toEqual([
        { allowed: true, label: "jabber_client_port_t" },
        { allowed: false, label: "http_cache_port_t" },
        { allowed: false, label: "http_port_t" },
        { allowed: true, label: "jabber_client_port_t" },
      ]);
      const repaired = await Promise.all(
        [1, 2].map((index) =>
          selinuxPortHandler.update(host.connection, found[index]!, wanted(index === 1 ? 8080 : 5347)),
        ),
      );
      expect(repaired).toEqual([states[1], states[2]]);
      const [adopted] = await create(15269);
      expect(adopted!.given).toBe(false);
      await selinuxPortHandler.delete(host.connection, adopted!);
    }, 200_000);

    test("a delete gives back what was there, in the policy or by somebody's hand", async () => {
      await Promise.all(states.map((state) => selinuxPortHandler.delete(host.connection, state)));
      await Promise.all(states.map((state) => selinuxPortHandler.delete(host.connection, state)));
      expect(await local()).toEqual(["jabber_interserver_port_t tcp 15269"]);
      await host.shell("semanage port -m -t http_port_t -p tcp 15269 2>&1");
      const [state] = await create(15269);
      expect(state!.given).toEqual({ ...given, before: "http_port_t" });
      await selinuxPortHandler.delete(host.connection, state!);
      expect(await local()).toEqual(["http_port_t tcp 15269"]);
    }, 200_000);
  });

  describe("a server", () => {
    const required = { firewall: { mode: "require", https443: true }, selinux: "require" };
    let stack: Stack;

    /** Who listens where, what firewalld lets in for now and for good, and which labels differ from the policy. */
    async function everywhere() {
      const lines = async (script: string) => (await host.shell(script)).split(/\s+/).filter(Boolean).sort();
      const listening =
        "ss -Hltnp | grep -E '\"(lua|prosody)' | grep -v '127.0.0.1:\\|\\[::1\\]:' | sed 's/.*:\\([0-9]*\\) .*:.*/\\1/' | sort -u";
      const layers = ["", "--permanent"].map((layer) =>
        lines(`firewall-cmd ${layer} --list-ports; firewall-cmd ${layer} --list-forward-ports`),
      );
      return {
        listening: await lines(listening),
        runtime: await layers[0],
        permanent: await layers[1],
        labels: await lines("semanage port -l -C -n | tr -s ' ,' '\\n' | grep -E '^[0-9]' || true"),
      };
    }

    beforeAll(async () => {
      await host.startFirewalld();
      await host.shell(
        `for port in ${others.join(" ")}; do firewall-cmd -q --permanent --add-port=$port; done`,
      );
      const tls = await certificate("example.test");
      stack = await Stack.create({
        host: {
          address: host.machine.address,
          user: "admin",
          sudo: true,
          privateKeyFile: host.machine.privateKeyFile,
          hostKey: host.machine.hostKey,
        },
        domains: {
          "example.test": filesOf(tls),
        },
        jids: { "alice@example.test": secret("Alice's only") },
        turn: { relayPorts: "50000-50099" },
        ...required,
      });
      await host.shell("firewall-cmd -q --reload; semanage port -D 2>&1");
    }, 200_000);

    afterAll(() => {
      stack?.remove();
    });

    test("up opens and labels its ports, and says so", async () => {
      const { code, text } = await stack.up();
      expect({ code, text }).toEqual({ code: 0, text: expect.stringContaining("FirewallPorts") });
      // On the screen the engine cuts long outputs short.
      const { servers } = JSON.parse(await stack.must("stack", "output", "--json"));
      expect(servers.prosody.firewall).toBe(
        "firewalld lets in 5222/tcp, 5223/tcp, 5269/tcp, 5281/tcp, 5000/tcp, 3478/udp, 3478/tcp, 5349/udp, 5349/tcp, 50000-50099/udp, 443/tcp to 5281 (zone public)",
      );
      expect(text).toMatch(/"off in the kernel; labelled 5281\/tcp as jabber_client_port_t, /);
      const open = ["5000/tcp", "5222/tcp", "5223/tcp", "5269/tcp", "5281/tcp", "3478/tcp", "5349/tcp"];
      const calls = ["3478/udp", "5349/udp", "50000-50099/udp"];
      const rules = [...open, ...calls, ...others, forward(5281)].sort();
      expect(await everywhere()).toEqual({
        listening: ["5000", "5222", "5223", "5269", "5281"],
        runtime: rules,
        permanent: rules,
        labels: [...(isDebian ? ["5000"] : []), "5281", "5347"], // Fedora's policy lets Prosody bind 5000
      });
      expect((await stack.drift()).rows).toEqual([]);
    }, 300_000);

    test("port 443 leads to Prosody from outside", async () => {
      const response = await get(443);
      expect(response).toMatch(/^HTTP\/1\.1 \d+ /);
      expect(response).toBe(await get(5281));
    });

    test("one preview shows what differs in either", async () => {
      await host.shell(
        "firewall-cmd -q --permanent --remove-port=5269/tcp; semanage port -d -p tcp 5347 2>&1",
      );
      const drift = await stack.drift();
      expect(drift).toMatchObject({
        code: 7,
        rows: ["FirewallPorts prosody update", "SelinuxPort 5347/tcp update"],
      });
      expect(drift.text).toMatch(/~ 5269\/tcp *: "open until firewalld restarts" => "open"/);
      expect(drift.text).toMatch(/~ allowed *: false => true/);
    }, 60_000);

    test("a port that is switched off or changed is so everywhere at once", async () => {
      await stack.configure({
        ports: {
          clientDirectTls: false,
          server: 15269,
          https: 8443,
          proxy65: false,
          turn: 13478,
          turnTls: false,
        },
      });
      expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
      const calls = ["13478/tcp", "13478/udp", "50000-50099/udp"];
      const rules = ["5222/tcp", "15269/tcp", "8443/tcp", ...calls, ...others, forward(8443)];
      expect(await everywhere()).toEqual({
        listening: ["15269", "5222", "8443"],
        runtime: rules.sort(),
        permanent: rules.sort(),
        labels: ["15269", "5347", "8443"],
      });
      expect(await get(443)).toBe(await get(8443));
      const { prosody } = JSON.parse(await stack.must("stack", "output", "--json", "servers"));
      expect(prosody.dnsZones["example.test"].match(/^_xmpps?-\w+\._tcp\.?\w* .*SRV .*/gm)).toEqual([
        expect.stringMatching(/^_xmpp-client\._tcp .* 5 5 5222 xmpp\.example\.test\.$/),
        expect.stringMatching(/^_xmpp-server\._tcp .* 5 5 15269 xmpp\.example\.test\.$/),
        expect.stringMatching(/^_xmpp-server\._tcp\.conference .* 5 5 15269 xmpp\.example\.test\.$/),
      ]);
      expect((await stack.drift()).rows).toEqual([]);
    }, 200_000);

    test("destroy leaves firewall and policy as they were", async () => {
      expect(await stack.destroy()).toEqual({ code: 0, text: expect.any(String) });
      expect(await everywhere()).toEqual({ listening: [], runtime: others, permanent: others, labels: [] });
      // Both were there before the stack.
      for (const name of ["firewalld", tool])
        expect(await host.shell(host.distribution.version(name))).not.toBe("");
    }, 200_000);

    /** Somebody else's. */
    const others = ["49100-49300/udp", "7778/tcp", "9000-9010/tcp"];
    const forward = (port: number) => `port=443:proto=tcp:toport=${port}:toaddr=`;

    /** What an HTTPS server says to a request from outside, up to its headers that change. */
    function get(port: number): Promise<string> {
      return new Promise((resolve, reject) => {
        const request = { host: "example.test", port, path: "/", rejectUnauthorized: false };
        https
          .get({
            ...request,
            lookup: (_name, _options, done) => done(null, [{ address: host.machine.address, family: 4 }]),
          })
          .on("response", (response) => {
            response.resume();
            const { httpVersion, statusCode, statusMessage } = response;
            resolve(`HTTP/${httpVersion} ${statusCode} ${statusMessage}`);
          })
          .on("error", reject);
      });
    }
  });
});

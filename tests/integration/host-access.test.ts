import https from "node:https";
import { connect as connectTcp } from "node:net";
import type { FirewallPortsInputs, FirewallPortsState, Openness } from "../../providers/firewall-ports";
import { firewallPortsHandler } from "../../providers/handlers/firewall-ports";
import { packageHandler } from "../../providers/handlers/package";
import { selinuxPortHandler } from "../../providers/handlers/selinux-port";
import type { Host } from "../../providers/host";
import type { SelinuxPortState } from "../../providers/selinux-port";
import { openHost } from "../../providers/ssh/pool";
import { distributions } from "../helpers/distribution";
import { allReleases, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";

const server = "xmpp.example.test";
const tool = "policycoreutils-python-utils";

/** Real firewalld and the policy store of SELinux; the lab's kernel has no SELinux (see `npm run selinux-guest`). */
describe.each(allReleases)("on %s", (release) => {
  const distribution = distributions[release];
  const isDebian = distribution.family === "debian";
  let machine: LabHost;
  let host: Host & { close(): Promise<void> };

  /** Somebody else's hand on the host; what was read before it does not count any more. */
  const shell = async (script: string) => {
    const output = await machine.exec(script);
    await host?.run(":", { doing: "forgetting facts", changes: true });
    return output.trim();
  };
  const install = (...packages: string[]) => shell(distribution.install(...packages));

  beforeAll(async () => {
    machine = await lab(`host-access-${release}`, { release, sudoPassword: false });
    // Not root: sudo hides from scripts by which address SSH came in.
    host = await openHost(
      {
        address: machine.address,
        port: 22,
        user: "admin",
        trust: { kind: "pinned", hostKeys: [machine.hostKey] },
        login: { privateKeyFile: machine.privateKeyFile },
        sudo: {},
        connectTimeout: 20,
      },
      server,
    );
  }, 200_000);

  afterAll(() => host?.close());

  describe("firewalld", () => {
    const all = <T>(ports: string[], value: T) => Object.fromEntries(ports.map((port) => [port, value]));
    const wanted = (ports: string[], more: Partial<FirewallPortsInputs> = {}): FirewallPortsInputs => ({
      server,
      ports: all(ports, "open"),
      required: false,
      ...more,
    });
    const ports = ["5222/tcp", "5269/tcp", "49152-49200/udp"];
    const create = (ports: string[], more: Partial<FirewallPortsInputs> = {}) =>
      firewallPortsHandler.create(host, wanted(ports, more));
    const read = async (state: FirewallPortsState) => (await firewallPortsHandler.read(host, state))!;
    const update = (state: FirewallPortsState, ports: string[], more: Partial<FirewallPortsInputs> = {}) =>
      firewallPortsHandler.update(host, state, wanted(ports, more));
    const remove = (state: FirewallPortsState) => firewallPortsHandler.delete(host, state);
    const zone = (name: string) =>
      shell(
        `for layer in '' --permanent; do firewall-cmd $layer --zone=${name} --list-all; done | ` +
          `tr -s ' \\t' ' ' | sed 's/^ //; s/ $//' | grep -E '^(services:|ports:|forward-ports:|port=)'`,
      );
    let state: FirewallPortsState;

    test("a host without it: nothing to do, which is said; an error where it is required", async () => {
      state = await create(ports);
      expect(state).toEqual({ ...wanted(ports), enforced: "none", effectiveZone: "" });
      expect(await read(state)).toEqual(state);
      await expect(create(["5222/tcp"], { required: true })).rejects.toThrow(
        /^the host has no firewalld, which prosody:firewall requires\. Install and start it/,
      );
      await remove(state);
    });

    test("installed later, it is drift, and repaired; rules of others stay as they are", async () => {
      await install("firewalld", ...(isDebian ? ["netbase"] : [])); // firewalld 1.3 needs /etc/protocols to start
      await shell("systemctl start firewalld");
      await shell("firewall-cmd -q --add-port=7777/tcp; firewall-cmd -q --permanent --add-port=7778/tcp");
      const found = await read(state);
      expect(found).toMatchObject({ enforced: "firewalld", effectiveZone: "public" });
      expect(found.ports).toEqual(all(ports, "closed"));
      state = await update(found, ports);
      expect(state).toEqual({
        ...wanted(ports),
        enforced: "firewalld",
        effectiveZone: "public",
        opened: { zone: "public", permanent: ports, runtime: ports },
      });
      expect(await read(state)).toEqual(state);
      expect((await zone("public")).split("\n")).toEqual([
        "services: dhcpv6-client ssh",
        "ports: 7777/tcp 5222/tcp 5269/tcp 49152-49200/udp",
        "forward-ports:",
        "services: dhcpv6-client ssh",
        "ports: 7778/tcp 5222/tcp 5269/tcp 49152-49200/udp",
        "forward-ports:",
      ]);
    }, 200_000);

    test("what is open from outside is what firewalld lets in", async () => {
      await shell(
        "for p in 5222 5223; do systemd-run -q --unit=listen-$p systemd-socket-activate --accept --listen=$p cat; " +
          "until ss -Hltn | grep -q :$p; do sleep .05; done; done",
      );
      expect([await reach(5222), await reach(5223)]).toEqual(["open", "refused"]);
    });

    test.each<[Openness, string]>([
      ["closed until firewalld restarts", "firewall-cmd -q --remove-port=5269/tcp"],
      ["open until firewalld restarts", "firewall-cmd -q --permanent --remove-port=5269/tcp"],
    ])(
      "what is %s is found and repaired",
      async (found, byHand) => {
        await shell(byHand);
        const drifted = await read(state);
        expect(drifted).toEqual({ ...state, ports: { ...state.ports, "5269/tcp": found } });
        expect(await update(drifted, ports)).toEqual(state);
        expect(await read(state)).toEqual(state);
      },
      30_000,
    );

    test("a port that firewalld refuses is told, and none of the others is left open", async () => {
      await expect(create(["6001/tcp", "6002/nonesuch", "6003/tcp"])).rejects.toThrow(
        /^firewalld did not open 6002\/nonesuch in zone public: .*INVALID_PROTOCOL.*\. Nothing was changed\./,
      );
      expect(await zone("public")).not.toMatch(/600/);
    }, 60_000);

    test("what was open before, by a service too, is not opened again and stays at the end", async () => {
      await shell(
        "for l in '' --permanent; do firewall-cmd -q $l --add-service=xmpp-bosh --add-service=http; done",
      );
      await shell("for l in '' --permanent; do firewall-cmd -q $l --add-port=9000-9010/tcp; done");
      const before = await zone("public");
      const adopted = await create(["5280/tcp", "9005/tcp"]);
      expect(adopted.opened).toEqual({ zone: "public", permanent: [], runtime: [] });
      await remove(adopted);
      expect(await zone("public")).toBe(before);
      // A range of somebody else that came to cover a port of the stack is not torn.
      await shell("for l in '' --permanent; do firewall-cmd -q $l --add-port=49100-49300/udp; done");
      state = await update(state, ["5222/tcp", "5269/tcp"]);
      expect(await zone("public")).toMatch(/49100-49300\/udp[\s\S]*49100-49300\/udp/);
    }, 60_000);

    test("a part of a range of the stack's own stays open when the rest is closed", async () => {
      const range = await create(["50000-50100/udp"]);
      const part = await update(range, ["50010-50020/udp"]);
      expect(await zone("public")).toMatch(/ 50010-50020\/udp\n[\s\S]* 50010-50020\/udp\n/);
      expect(await read(part)).toEqual(part);
      await remove(part);
      expect(await zone("public")).not.toMatch(/500[0-9][0-9]/);
    }, 60_000);

    test("an interface in another zone takes the ports with it", async () => {
      await shell("firewall-cmd -q --zone=internal --change-interface=host0");
      const found = await read(state);
      expect(found).toMatchObject({ effectiveZone: "internal", ports: { "5222/tcp": "closed" } });
      state = await update(found, ["5222/tcp", "5269/tcp"]);
      expect(state).toMatchObject({ effectiveZone: "internal", opened: { zone: "internal" } });
      expect(await zone("public")).not.toMatch(/5222|5269/);
      expect(await zone("internal")).toMatch(/5222\/tcp[\s\S]*5222\/tcp/);
      expect(await reach(5222)).toBe("open");
      // A zone of the stack config goes before it.
      state = await update(state, ["5222/tcp", "5269/tcp"], { zone: "public" });
      expect(await zone("internal")).not.toMatch(/5222/);
      expect(await read(state)).toEqual(state);
      expect(state).toMatchObject({ effectiveZone: "public", ports: { "5222/tcp": "open" } });
      await expect(create(["5222/tcp"], { zone: "nonesuch" })).rejects.toThrow(
        /^firewalld has no zone nonesuch; there are block, dmz, .*public.*\. Set prosody:firewall\.zone/,
      );
      await shell("firewall-cmd -q --zone=internal --remove-interface=host0");
    }, 60_000);

    test("while it is stopped, ports are opened for its next start; it is not started", async () => {
      await shell("systemctl stop firewalld");
      const stopped = await create(["5223/tcp"]);
      expect(stopped).toMatchObject({
        enforced: "stopped",
        effectiveZone: "public",
        ports: { "5223/tcp": "open" },
      });
      expect(await shell("systemctl is-active firewalld || true")).toBe("inactive");
      await shell("systemctl start firewalld");
      expect(await read(stopped)).toEqual({ ...stopped, enforced: "firewalld" });
      expect(await reach(5223)).toBe("open");
      await remove(stopped);
      expect(await reach(5223)).toBe("refused");
      await shell("systemctl stop firewalld");
      const again = await update(await create(["5223/tcp"]), ["5224/tcp"]);
      expect(await shell("firewall-offline-cmd --zone=public --list-ports")).toMatch(/ 5224\/tcp/);
      await remove(again);
      expect(await shell("firewall-offline-cmd --zone=public --list-ports")).not.toMatch(/522[34]/);
      await shell("systemctl start firewalld");
    }, 60_000);

    test("a forward takes nobody's port away", async () => {
      await shell(
        "systemd-run -q --unit=web systemd-socket-activate --listen=443 cat; until ss -Hltn | grep -q :443; do sleep .05; done",
      );
      const forward = ["443/tcp to 5222"];
      await expect(create(forward)).rejects.toThrow(/^systemd-socket-\S* serves port 443 on the host/);
      await shell("systemctl stop web; firewall-cmd -q --add-forward-port=port=443:proto=tcp:toport=8080");
      await expect(create(forward)).rejects.toThrow(
        /^zone public forwards 443\/tcp elsewhere already \(port=443:proto=tcp:toport=8080:toaddr=\)\. Remove that/,
      );
      await shell("firewall-cmd -q --remove-forward-port=port=443:proto=tcp:toport=8080");
    }, 30_000);

    test("a delete closes what the stack opened, and leaves the rest and SSH alone", async () => {
      await remove(state);
      await remove(state);
      expect((await zone("public")).split("\n")).toEqual([
        "services: dhcpv6-client http ssh xmpp-bosh",
        "ports: 7778/tcp 9000-9010/tcp 49100-49300/udp",
        "forward-ports:",
        "services: dhcpv6-client http ssh xmpp-bosh",
        "ports: 7778/tcp 9000-9010/tcp 49100-49300/udp",
        "forward-ports:",
      ]);
      expect(await reach(22)).toBe("open");
      await shell("systemctl stop listen-5222 listen-5223");
    }, 30_000);

    /** A connection from outside. firewalld rejects what it does not let in. */
    function reach(port: number): Promise<"open" | "refused"> {
      return new Promise((resolve, reject) => {
        const socket = connectTcp({ host: machine.address, port });
        const finish = (result: "open" | "refused") => {
          socket.destroy();
          resolve(result);
        };
        socket.setTimeout(10_000, () => reject(new Error(`port ${port}: no answer`)));
        socket.once("connect", () => finish("open"));
        socket.once("error", () => finish("refused"));
      });
    }
  });

  describe("SELinux's policy", () => {
    const wanted = (port: number, required = true) => ({
      server,
      port: `${port}/tcp`,
      required,
      allowed: true,
    });
    const create = (...ports: number[]) =>
      Promise.all(ports.map((port) => selinuxPortHandler.create(host, wanted(port))));
    const read = async (state: SelinuxPortState) => (await selinuxPortHandler.read(host, state))!;
    const local = async () => (await shell("semanage port -l -C -n | tr -s ' '")).split("\n").sort();
    const given = { label: "jabber_client_port_t" };
    let states: SelinuxPortState[];

    test("a host without SELinux needs nothing; where it is required, the error says what is missing", async () => {
      const idle = await selinuxPortHandler.create(host, wanted(5347, false));
      expect(idle).toEqual({ server, port: "5347/tcp", required: false, mode: "disabled" });
      expect(await read(idle)).toEqual(idle);
      await selinuxPortHandler.delete(host, idle);
      const semanage = { server, package: tool, installed: true } as const;
      const unneeded = await packageHandler.create(host, { ...semanage, when: "selinux" });
      expect(unneeded).toMatchObject({ needed: false, installed: false });
      await expect(create(5347)).rejects.toThrow(
        /^the host has no semanage\. Install policycoreutils-python-utils/,
      );
      await packageHandler.create(host, semanage);
      await expect(create(5347)).rejects.toThrow(
        /^the host has no SELinux policy that semanage can change \(ValueError: .*\)\. Install one \(selinux-policy-default/,
      );
      await install(isDebian ? "selinux-policy-default" : "selinux-policy-targeted");
    }, 300_000);

    test("ports get a label that Prosody may bind where the policy has another", async () => {
      states = await create(5222, 8080, 5347, 15222);
      expect(states.map(({ given }) => given)).toEqual([undefined, given, given, given]);
      expect(states[3]).toEqual({ ...wanted(15222), mode: "disabled", label: "jabber_client_port_t", given });
      expect(await local()).toEqual([expect.stringMatching(/^jabber_client_port_t tcp (8080|5347|15222), /)]);
      expect(await Promise.all(states.map(read))).toEqual(states);
    }, 100_000);

    test("drift is found and repaired; what is right is adopted, and stays at the end", async () => {
      await shell(
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
          selinuxPortHandler.update(host, found[index]!, wanted(index === 1 ? 8080 : 5347)),
        ),
      );
      expect(repaired).toEqual([states[1], states[2]]);
      const [adopted] = await create(15269);
      expect(adopted).not.toHaveProperty("given");
      await selinuxPortHandler.delete(host, adopted!);
    }, 200_000);

    test("a delete gives back what was there, in the policy or by somebody's hand", async () => {
      await Promise.all(states.map((state) => selinuxPortHandler.delete(host, state)));
      await Promise.all(states.map((state) => selinuxPortHandler.delete(host, state)));
      expect(await local()).toEqual(["jabber_interserver_port_t tcp 15269"]);
      await shell("semanage port -m -t http_port_t -p tcp 15269 2>&1");
      const [state] = await create(15269);
      expect(state!.given).toEqual({ ...given, before: "http_port_t" });
      await selinuxPortHandler.delete(host, state!);
      expect(await local()).toEqual(["http_port_t tcp 15269"]);
    }, 200_000);
  });

  describe("a server", () => {
    const required = { firewall: { mode: "require", https443: true }, selinux: "require" };
    let stack: Stack;

    /** Who listens where, what firewalld lets in for now and for good, and which labels differ from the policy. */
    async function everywhere() {
      const lines = async (script: string) => (await shell(script)).split(/\s+/).filter(Boolean).sort();
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
      const tls = await certificate("example.test");
      stack = await Stack.create({
        host: {
          address: machine.address,
          user: "admin",
          sudo: true,
          privateKeyFile: machine.privateKeyFile,
          hostKey: machine.hostKey,
        },
        domains: {
          "example.test": filesOf(tls),
        },
        jids: { "alice@example.test": secret("Alice's only") },
        turn: { relayPorts: "50000-50099" },
        ...required,
      });
      await shell("firewall-cmd -q --reload; semanage port -D 2>&1");
    }, 60_000);

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
      await shell("firewall-cmd -q --permanent --remove-port=5269/tcp; semanage port -d -p tcp 5347 2>&1");
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
      for (const name of ["firewalld", tool]) expect(await shell(distribution.version(name))).not.toBe("");
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
            lookup: (_name, _options, done) => done(null, [{ address: machine.address, family: 4 }]),
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

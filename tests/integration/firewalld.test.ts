import { connect as connectTcp } from "node:net";
import type { FirewallPortsInputs, FirewallPortsState, Openness } from "../../providers/firewall-ports";
import { firewallPortsHandler } from "../../providers/handlers/firewall-ports";
import { HandlerHost } from "../helpers/handler-host";
import { allReleases } from "../helpers/lab";

const server = "xmpp.example.test";

describe.each(allReleases)("firewalld on %s", (release) => {
  let host: HandlerHost;

  beforeAll(async () => {
    // Not root: sudo hides from scripts by which address SSH came in.
    host = await HandlerHost.makeForAdmin("firewalld", release);
  }, 200_000);

  afterAll(() => host?.connection.close());

  const all = <T>(ports: string[], value: T) => Object.fromEntries(ports.map((port) => [port, value]));
  const wanted = (ports: string[], more: Partial<FirewallPortsInputs> = {}): FirewallPortsInputs => ({
    server,
    ports: all(ports, "open"),
    required: false,
    ...more,
  });
  const ports = ["5222/tcp", "5269/tcp", "49152-49200/udp"];
  const create = (ports: string[], more: Partial<FirewallPortsInputs> = {}) =>
    firewallPortsHandler.create(host.connection, wanted(ports, more));
  const read = async (state: FirewallPortsState) =>
    (await firewallPortsHandler.read(host.connection, state))!;
  const update = (state: FirewallPortsState, ports: string[], more: Partial<FirewallPortsInputs> = {}) =>
    firewallPortsHandler.update(host.connection, state, wanted(ports, more));
  const remove = (state: FirewallPortsState) => firewallPortsHandler.delete(host.connection, state);
  const zone = (name: string) =>
    host.shell(
      `for layer in '' --permanent; do firewall-cmd $layer --zone=${name} --list-all; done | ` +
        `tr -s ' \\t' ' ' | sed 's/^ //; s/ $//' | grep -E '^(services:|ports:|forward-ports:|port=)'`,
    );
  let state: FirewallPortsState;

  test("a host without it: nothing to do, which is said; an error where it is required", async () => {
    state = await create(ports);
    expect(state).toEqual({ ...wanted(ports), enforced: "none", effectiveZone: "", shut: "" });
    expect(await read(state)).toEqual(state);
    await expect(create(["5222/tcp"], { required: true })).rejects.toThrow(
      /^the host has no firewalld, which prosody:firewall requires\. Install and start it/,
    );
    await remove(state);
  });

  test("installed later, it is drift, and repaired; rules of others stay as they are", async () => {
    await host.startFirewalld();
    await host.shell("firewall-cmd -q --add-port=7777/tcp; firewall-cmd -q --permanent --add-port=7778/tcp");
    const found = await read(state);
    expect(found).toMatchObject({ enforced: "firewalld", effectiveZone: "public" });
    expect(found.ports).toEqual(all(ports, "closed"));
    state = await update(found, ports);
    expect(state).toEqual({
      ...wanted(ports),
      enforced: "firewalld",
      effectiveZone: "public",
      shut: "",
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
    await host.shell(
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
      await host.shell(byHand);
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
    await host.shell(
      "for l in '' --permanent; do firewall-cmd -q $l --add-service=xmpp-bosh --add-service=http; done",
    );
    await host.shell("for l in '' --permanent; do firewall-cmd -q $l --add-port=9000-9010/tcp; done");
    const before = await zone("public");
    const adopted = await create(["5280/tcp", "9005/tcp"]);
    expect(adopted.opened).toEqual({ zone: "public", permanent: [], runtime: [] });
    await remove(adopted);
    expect(await zone("public")).toBe(before);
    // A range of somebody else that came to cover a port of the stack is not torn.
    await host.shell("for l in '' --permanent; do firewall-cmd -q $l --add-port=49100-49300/udp; done");
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

  test("what a run opened that was cut off before its end is closed by the destroy", async () => {
    const before = await zone("public");
    await create(["6001/tcp"]); // and its state is lost
    const again = await create(["6001/tcp", "6002/tcp"]);
    expect(again.opened).toMatchObject({
      permanent: ["6001/tcp", "6002/tcp"],
      runtime: ["6001/tcp", "6002/tcp"],
    });
    expect(await host.shell("cat /var/backups/prosody-pulumi/firewalld-opened")).toMatch(
      /permanent public 6001/,
    );
    await remove(again);
    expect(await zone("public")).toBe(before);
    expect(await host.shell("cat /var/backups/prosody-pulumi/firewalld-opened")).not.toMatch(/600/);
  }, 60_000);

  test("an interface in another zone takes the ports with it", async () => {
    await host.shell("firewall-cmd -q --zone=internal --change-interface=host0");
    const found = await read(state);
    expect(found).toMatchObject({ effectiveZone: "internal", ports: { "5222/tcp": "closed" } });
    state = await update(found, ["5222/tcp", "5269/tcp"]);
    expect(state).toMatchObject({ effectiveZone: "internal", opened: { zone: "internal" } });
    expect(await zone("public")).not.toMatch(/5222|5269/);
    expect(await zone("internal")).toMatch(/5222\/tcp[\s\S]*5222\/tcp/);
    expect(state).toMatchObject({ shut: "" }); // what is missing in a state, a preview does not know
    // SSH by a VPN, say, and everybody else by where the default route is; a jump host is beyond the lab's own.
    const route = (await host.shell("ip route show default")).split("\n")[0]!;
    await host.shell(
      `ip route add ${route.replace("default", "10.77.0.0/16")}; ` +
        "ip link add out0 type veth peer name out1; ip address add 10.99.0.1/24 dev out0; ip link set out0 up; ip link set out1 up; ip route replace default via 10.99.0.2",
    );
    expect(await read(state)).toEqual({ ...state, shut: "public (out0)" });
    await host.shell(`ip route replace ${route}; ip route delete 10.77.0.0/16; ip link delete out0`);
    expect(await reach(5222)).toBe("open");
    // A zone of the stack config goes before it.
    state = await update(state, ["5222/tcp", "5269/tcp"], { zone: "public" });
    expect(await zone("internal")).not.toMatch(/5222/);
    expect(await read(state)).toEqual(state);
    expect(state).toMatchObject({ effectiveZone: "public", ports: { "5222/tcp": "open" } });
    await expect(create(["5222/tcp"], { zone: "nonesuch" })).rejects.toThrow(
      /^firewalld has no zone nonesuch; there are block, dmz, .*public.*\. Set prosody:firewall\.zone/,
    );
    await host.shell("firewall-cmd -q --zone=internal --remove-interface=host0");
  }, 60_000);

  test("while it is stopped, ports are opened for its next start; it is not started", async () => {
    await host.shell("systemctl stop firewalld");
    const stopped = await create(["5223/tcp"]);
    expect(stopped).toMatchObject({
      enforced: "stopped",
      effectiveZone: "public",
      shut: "",
      ports: { "5223/tcp": "open" },
    });
    expect(await host.shell("systemctl is-active firewalld || true")).toBe("inactive");
    await host.shell("systemctl start firewalld");
    expect(await read(stopped)).toEqual({ ...stopped, enforced: "firewalld" });
    expect(await reach(5223)).toBe("open");
    await remove(stopped);
    expect(await reach(5223)).toBe("refused");
    await host.shell("systemctl stop firewalld");
    const again = await update(await create(["5223/tcp"]), ["5224/tcp"]);
    expect(await host.shell("firewall-offline-cmd --zone=public --list-ports")).toMatch(/ 5224\/tcp/);
    await remove(again);
    expect(await host.shell("firewall-offline-cmd --zone=public --list-ports")).not.toMatch(/522[34]/);
    await host.shell("systemctl start firewalld");
  }, 60_000);

  test("a forward takes nobody's port away", async () => {
    await host.shell(
      "systemd-run -q --unit=web systemd-socket-activate --listen=443 cat; until ss -Hltn | grep -q :443; do sleep .05; done",
    );
    const forward = ["443/tcp to 5222"];
    await expect(create(forward)).rejects.toThrow(
      /^systemd-socket-\S* \(\S+\.service\) serves port 443 on the host/,
    );
    await host.shell("systemctl stop web; firewall-cmd -q --add-forward-port=port=443:proto=tcp:toport=8080");
    await expect(create(forward)).rejects.toThrow(
      /^zone public forwards 443\/tcp elsewhere already \(port=443:proto=tcp:toport=8080:toaddr=\)\. Remove that/,
    );
    await host.shell("firewall-cmd -q --remove-forward-port=port=443:proto=tcp:toport=8080");
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
    await host.shell("systemctl stop listen-5222 listen-5223");
  }, 30_000);

  /** A connection from outside. firewalld rejects what it does not let in. */
  function reach(port: number): Promise<"open" | "refused"> {
    return new Promise((resolve, reject) => {
      const socket = connectTcp({ host: host.machine.address, port });
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

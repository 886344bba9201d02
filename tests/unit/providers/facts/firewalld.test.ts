import { readFileSync } from "node:fs";
import path from "node:path";
import { root } from "../../../../config/root";
import { firewalld, hasEntry, isOpen } from "../../../../providers/facts/firewalld";

const recorded = (name: string) =>
  firewalld().parse(readFileSync(path.join(root, `tests/fixtures/recorded/firewalld-${name}.txt`), "utf8"));

describe("the fact, from what real hosts print", () => {
  test.each(["1.3.3", "2.3.1"])("firewalld %s, running", (version) => {
    const zone = {
      ports: ["5223/tcp", "5222/tcp", "49152-49200/udp"],
      servicePorts: ["22/tcp", "546/udp", "5269/tcp"],
      forwards: ["port=443:proto=tcp:toport=5281:toaddr="],
      accepts: false,
      refusals: [],
    };
    expect(recorded(version)).toEqual({
      state: "running",
      zone: "public",
      sshPort: 22,
      runtime: zone,
      permanent: { ...zone, ports: [...zone.ports, "5281/tcp"] },
      zones: [],
    });
  });

  test("a zone that lets everything in has no lists", () => {
    const zone = { ports: [], servicePorts: [], forwards: [], accepts: true, refusals: [] };
    expect(recorded("2.3.1-trusted")).toMatchObject({ zone: "trusted", runtime: zone, permanent: zone });
  });

  test("the zone is that of SSH's interface", () => {
    expect(recorded("2.3.1-interface")).toMatchObject({
      state: "running",
      zone: "internal",
      runtime: { servicePorts: ["22/tcp", "5353/udp", "138/udp", "546/udp"] },
    });
  });

  test("a zone that there is not: which there are", () => {
    expect(recorded("2.3.1-unknown")).toEqual({
      state: "running",
      zone: "nonesuch",
      sshPort: 22,
      zones: ["block", "dmz", "drop", "external", "home", "internal", "public", "trusted", "work"],
    });
  });

  test("stopped, there is nothing in force", () => {
    expect(recorded("1.3.3-stopped")).toEqual({
      state: "stopped",
      zone: "public",
      sshPort: 22,
      permanent: {
        interfaces: [],
        ports: ["5223/tcp", "5222/tcp", "49152-49200/udp", "5281/tcp"],
        servicePorts: ["546/udp", "22/tcp", "5269/tcp"],
        forwards: ["port=443:proto=tcp:toport=5281:toaddr="],
        accepts: false,
        refusals: [],
      },
      zones: [],
    });
  });

  test("stopped, the zone is the one that was asked for, that of SSH's interface, or the default", () => {
    const text = (zone: string) =>
      `state stopped\nzone ${zone}\ninterface eth0\ndefault public\npublic\n  target: default\n  forward-ports: port=443:proto=tcp:toport=5281:toaddr=\nwork (active)\n  target: ACCEPT\n  interfaces: lo eth0\n`;
    expect(firewalld().parse(text(""))).toMatchObject({ zone: "work", permanent: { accepts: true } });
    // Forwards on the line of their name, as other releases print them.
    const forwards = ["port=443:proto=tcp:toport=5281:toaddr="];
    expect(firewalld().parse(text("public"))).toMatchObject({ zone: "public", permanent: { forwards } });
    expect(firewalld().parse(text("").replace("eth0", "eth1"))).toMatchObject({ zone: "public" });
    expect(firewalld().parse(text("home"))).toMatchObject({ zone: "home", zones: ["public", "work"] });
  });

  test("stopped, the zone of the default route is told where it is another, and nobody chose a zone", () => {
    const text = (zone: string, route: string) =>
      `state stopped\nzone ${zone}\ninterface wg0\nroute ${route}\ndefault public\npublic\n  target: default\n  ports: 22/tcp\ntrusted\n  target: ACCEPT\n  interfaces: wg0\n`;
    expect(firewalld().parse(text("", "eth0"))).toMatchObject({
      zone: "trusted",
      outward: { zone: "public", interface: "eth0", settings: { ports: ["22/tcp"] } },
    });
    for (const same of [text("", "wg0"), text("trusted", "eth0"), text("", "")])
      expect(firewalld().parse(same)).not.toHaveProperty("outward");
  });

  test("a rich rule that refuses a port to everybody is told, others are not", () => {
    const rules = [
      'rule port port="5222" protocol="tcp" reject',
      'rule priority="-5" service name="xmpp-server" drop',
      'rule family="ipv6" port port="5280" protocol="tcp" drop',
      'rule family="ipv4" source address="192.0.2.0/24" port port="5223" protocol="tcp" drop',
      'rule port port="5281" protocol="tcp" accept',
      'rule priority="5" port port="5281" protocol="tcp" reject',
      'rule port port="5281" protocol="tcp" accept limit value="9/m"',
      'rule priority="-1" family="ipv4" source address="192.0.2.7" port port="5269" protocol="tcp" accept',
      'rule port port="5269" protocol="tcp" drop',
    ];
    const refusals = [
      { rule: rules[0], ports: ["5222/tcp"] },
      { rule: rules[1], ports: ["5269/tcp"] },
    ];
    const services = '/usr/lib/firewalld/services/xmpp-server.xml:<port protocol="tcp" port="5269"/>\n';
    const settings = JSON.stringify({ data: [{ rules_str: { type: "as", data: rules } }] });
    const running = firewalld().parse(`state running\nzone public\npermanent ${settings}\n${services}`);
    expect(running.permanent!.refusals).toEqual(refusals);
    const block = `public\n  target: default\n  rich rules: \n\t${rules.join("\n\t")}\n`;
    const stopped = firewalld().parse(`state stopped\nzone public\ndefault public\n${block}${services}`);
    expect(stopped.permanent!.refusals).toEqual(refusals);
    const zone = { ...stopped.permanent!, accepts: true };
    expect(["5222/tcp", "5000-6000/tcp", "5223/tcp"].map((port) => isOpen(zone, { port }))).toEqual([
      false,
      false,
      true,
    ]);
  });

  test("not installed", () => {
    expect(firewalld().parse("state absent\n")).toEqual({ state: "absent", zone: "", zones: [] });
  });
});

describe("what counts as open", () => {
  const { runtime: zone } = recorded("2.3.1");
  const { runtime: trusted } = recorded("2.3.1-trusted");
  test.each([
    ["5222/tcp", true, "its own entry"],
    ["5222/udp", false, "another protocol"],
    ["5269/tcp", true, "a service"],
    ["49160/udp", true, "within a range"],
    ["49152-49200/udp", true, "a whole range"],
    ["49152-49201/udp", false, "more than a range"],
    ["5281/tcp", false, "only what the port is forwarded to"],
    ["443/tcp", false, "a forward"],
  ])("%s: %s (%s)", (port, open) => {
    expect(isOpen(zone, { port })).toBe(open);
    expect(isOpen(trusted, { port })).toBe(true);
    expect(isOpen(undefined, { port })).toBe(false);
  });

  test("a forward is open by itself alone", () => {
    expect(isOpen(zone, { port: "443/tcp", forwardTo: 5281 })).toBe(true);
    expect(isOpen(zone, { port: "443/tcp", forwardTo: 8443 })).toBe(false);
    expect(isOpen(trusted, { port: "443/tcp", forwardTo: 5281 })).toBe(false);
  });

  test("only an entry of its own can be taken away", () => {
    expect(hasEntry(zone, { port: "5222/tcp" })).toBe(true);
    expect(hasEntry(zone, { port: "49160/udp" })).toBe(false);
    expect(hasEntry(zone, { port: "5269/tcp" })).toBe(false);
  });
});

import * as pulumi from "@pulumi/pulumi";
import type { Server } from "../../../config/settings";
import {
  firewallPorts,
  kind,
  madeBefore,
  registeredServer,
  selinuxPort,
  wholeServer,
} from "../../helpers/registered";

describe("the host's firewall and SELinux", () => {
  const few = {
    ports: {
      clientStarttls: 5222,
      clientDirectTls: false,
      server: 5269,
      serverDirectTls: false,
      https: 8443,
      proxy65: false,
      turn: false,
      turnTls: false,
      components: false,
    },
    turn: { ...wholeServer.turn, enabled: false },
  } as const;

  /** The resources that are about ports. */
  async function ports(changes: Partial<Server>) {
    const all = await registeredServer({ ...wholeServer, ...few, ...changes });
    return all
      .filter(({ type }) => /(FirewallPorts|SelinuxPort)$/.test(type))
      .sort((a, b) => `${a.type} ${a.name}`.localeCompare(`${b.type} ${b.name}`));
  }

  test("off is nothing at all", async () => {
    const all = await registeredServer({
      ...wholeServer,
      firewall: { mode: "off", https443: false },
      selinux: "off",
    });
    expect(all.filter(({ type, name }) => /Ports?$/.test(type) || name.includes("policycore"))).toEqual([]);
  });

  test("a port that is off is nowhere; one on the loopback interface is not for the firewall", async () => {
    const options = { interfaces: ["127.0.0.1"], c2s_interfaces: ["*"], http_ports: [5280] };
    expect(await ports({ options })).toEqual([
      firewallPorts([5222]),
      ...[5222, 5269, 5280, 8443].map((port) => selinuxPort(port)),
    ]);
  });

  test("what is required, the zone, and the way in for HTTPS", async () => {
    const firewall = { mode: "require", zone: "dmz", https443: true } as const;
    expect(await ports({ firewall, selinux: "require" })).toEqual([
      firewallPorts([5222, 5269, 8443], ["443/tcp to 8443"], { zone: "dmz", required: true }),
      ...[5222, 5269, 8443].map((port) => selinuxPort(port, { required: true })),
    ]);
    const all = await registeredServer({ ...wholeServer, selinux: "require" });
    expect(all.find(({ name }) => name.includes("policycore"))?.inputs).not.toHaveProperty("when");
  });

  test("a zone that keeps ports shut, by which users may come, is warned of with the option", async () => {
    const warn = jest.spyOn(pulumi.log, "warn").mockResolvedValue();
    const firewalld = { enforced: "firewalld", effectiveZone: "trusted" };
    await registeredServer({ ...wholeServer, ...few }, firewalld);
    expect(warn.mock.calls).toEqual([]);
    await registeredServer({ ...wholeServer, ...few }, { ...firewalld, shut: "public (eth0)" });
    expect(warn.mock.calls.map(([text]) => text)).toEqual([
      "prosody: zone trusted lets in 5222/tcp, 5269/tcp, 8443/tcp, because SSH came in by it; zone public (eth0), by which the host reaches the Internet, does not let in all of them. Set prosody:firewall.zone to the zone by which users come.",
    ]);
    warn.mockRestore();
  });

  test("labels are there before Prosody opens its ports, the firewall lets in what it serves", async () => {
    const earlier = await madeBefore({ ...wholeServer, ...few });
    expect(earlier("Configuration")).toEqual(
      expect.arrayContaining([`${kind("SelinuxPort")} 8443/tcp`, `${kind("Certificate")} example.test`]),
    );
    expect(earlier("SelinuxPort")).toContain(`${kind("Package")} policycoreutils-python-utils`);
    expect(earlier("FirewallPorts")).toContain(`${kind("Configuration")} prosody`);
  });
});

import { firewalld, parseOpening, written } from "../../../providers/facts/firewalld";
import type { FirewallPortsInputs, FirewallPortsState, Openness } from "../../../providers/firewall-ports";
import { firewallPortsHandler } from "../../../providers/handlers/firewall-ports";
import { FakeHost } from "../../helpers/fake-host";
import { Firewalled, type Rules } from "../../helpers/firewalled";

/** Of what changes the host, the changes alone: without notes, the names on the bus before, and the reading after. */
const changesOf = (host: FakeHost) =>
  host.changes.map(
    (script) =>
      script
        .replace(/^\( umask .*\n/gm, "")
        .split(/^(?=path=)/m)
        .at(-1)!
        .split(/^zone=/m)[0],
  );

const all = <T>(ports: string[], value: T) => Object.fromEntries(ports.map((port) => [port, value]));
const wanted = (ports: string[], more: Partial<FirewallPortsInputs> = {}): FirewallPortsInputs => ({
  server: "xmpp",
  ports: all(ports, "open"),
  required: false,
  ...more,
});
const create = (host: FakeHost, ports: string[], more: Partial<FirewallPortsInputs> = {}) =>
  firewallPortsHandler.create(host, wanted(ports, more));
const opened = (permanent: string[], runtime = permanent, zone = "public") => ({ zone, permanent, runtime });

test("a port that a rich rule refuses is closed, and told with the rule; nothing is touched", async () => {
  const rich = ['rule port port="5222" protocol="tcp" reject'];
  const host = new Firewalled({ public: { ports: ["5222/tcp"], rich } }, { public: { ports: ["5222/tcp"] } });
  const state = {
    ...wanted(["5222/tcp"]),
    enforced: "firewalld",
    effectiveZone: "public",
    shut: "",
  } as const;
  expect(await firewallPortsHandler.read(host, state)).toMatchObject({
    ports: { "5222/tcp": "closed until firewalld restarts" },
  });
  await expect(create(host, ["5222/tcp", "5269/tcp"])).rejects.toThrow(
    `zone public refuses 5222/tcp to everybody by a rule of its own (${rich[0]}). Remove that (firewall-cmd --zone=public --remove-rich-rule='${rich[0]}', and again with --permanent), or switch the port off (prosody:ports).`,
  );
  expect(host.changes).toEqual([]);
});

describe("create", () => {
  test("opens all ports in one go, for good and for now, and reads before and, in the same command, after", async () => {
    const host = new Firewalled();
    const ports = ["5222/tcp", "5269/tcp", "443/tcp to 5281"];
    const state = await create(host, ports);
    expect(changesOf(host)).toEqual([
      `path=$(kept public) || exit
{
call "$path" $bus.config.zone addPort ss 5222 tcp
call "$path" $bus.config.zone addPort ss 5269 tcp
call "$path" $bus.config.zone addForwardPort ssss 443 tcp 5281 ''
} >/dev/null &
{
call $at $bus.zone addPort sssi public 5222 tcp 0
call $at $bus.zone addPort sssi public 5269 tcp 0
call $at $bus.zone addForwardPort sssssi public 443 tcp 5281 '' 0
} >/dev/null &
wait
`,
    ]);
    expect(host.scripts.filter((script) => script.includes(firewalld("public").script))).toEqual(
      host.changes,
    );
    expect(host.scripts.filter((script) => script === firewalld().script)).toHaveLength(1);
    expect(state).toEqual({
      ...wanted(ports),
      enforced: "firewalld",
      effectiveZone: "public",
      shut: "",
      opened: opened(ports),
    });
  });

  test("adopts what is open without a command, and opens only where it is closed", async () => {
    const host = new Firewalled(
      { public: { ports: ["5000-6000/tcp"] } },
      { public: { ports: ["5222/tcp"] } },
    );
    const state = await create(host, ["5222/tcp", "5269/tcp"]);
    expect(state.opened).toEqual(opened(["5269/tcp"], []));
    expect(changesOf(host)).toEqual([
      'path=$(kept public) || exit\n{\ncall "$path" $bus.config.zone addPort ss 5269 tcp\n} >/dev/null &\nwait\n',
    ]);
    await create(host, ["5222/tcp", "5269/tcp"]);
    expect(host.changes).toHaveLength(1);
  });

  test("what a run opened that was cut off is not somebody else's, and is closed at the end", async () => {
    const rules = { public: { ports: ["5281/tcp"] } };
    const ports = ["5222/tcp", "5281/tcp", "443/tcp to 5281"];
    const host = new Firewalled(structuredClone(rules));
    host.isKilled = true;
    host.answers.set("/ss -Hltnp/", "");
    host.answers.set(
      firewalld().script,
      'sshd 22\nstate running\nzone public\nruntime {"data":[{}]}\npermanent {"data":[{}]}\n',
    );
    await expect(create(host, ["5222/tcp", "443/tcp to 5281"])).rejects.toThrow("killed");
    host.answers.delete(firewalld().script);
    host.isKilled = false;
    const state = await create(host, ports);
    expect(state.opened).toEqual(opened(["5222/tcp", "443/tcp to 5281"]));
    await firewallPortsHandler.delete(host, state);
    expect([host.runtime.public!.ports, host.permanent.public!.ports]).toEqual([["5281/tcp"], ["5281/tcp"]]);
    expect([...host.notes]).toEqual([]);
  });

  test("what firewalld refuses is told, and nothing is left of the rest", async () => {
    const host = new Firewalled(undefined, undefined, ["5269/tcp"]);
    await expect(create(host, ["5222/tcp", "5269/tcp"])).rejects.toThrow(
      "firewalld did not open 5269/tcp in zone public: INVALID_PORT: 5269/tcp. Nothing was changed. See `journalctl -u firewalld` on the host.",
    );
    expect([host.runtime, host.permanent]).toEqual([{ public: { ports: [] } }, { public: { ports: [] } }]);
  });

  test("with firewalld stopped, for its next start", async () => {
    const host = new Firewalled(undefined, undefined, [], "stopped");
    const state = await create(host, ["5222/tcp"]);
    expect(changesOf(host)).toEqual(["firewall-offline-cmd --zone=public --add-port=5222/tcp || exit\n"]);
    expect(state).toEqual({
      ...wanted(["5222/tcp"]),
      enforced: "stopped",
      effectiveZone: "public",
      shut: "",
      opened: opened(["5222/tcp"]),
    });
  });

  test("a zone that firewalld has not loaded", async () => {
    const host = new Firewalled({ public: { ports: [] } }, { public: { ports: [] }, dmz: { ports: [] } });
    await expect(create(host, ["5222/tcp"], { zone: "dmz" })).rejects.toThrow(
      /^firewalld does not use zone dmz yet\. Run `firewall-cmd --reload`/,
    );
    await expect(create(host, ["5222/tcp"], { zone: "home" })).rejects.toThrow(
      "firewalld has no zone home; there are public, dmz. Set prosody:firewall.zone to one of them.",
    );
  });

  test("a forward that would take a served port away is refused before anything is opened, one of the loopback interface is not", async () => {
    const host = new Firewalled();
    const ports = ["5222/tcp", "443/tcp to 5281"];
    host.answers.set(
      "/ss -Hltnp/",
      'LISTEN 0 511 *:443 *:* users:(("nginx",pid=7,fd=6))\n/proc/7/cgroup:proxy.service\n',
    );
    await expect(create(host, ports)).rejects.toThrow(
      /^nginx \(proxy\.service\) serves port 443 on the host, and a forward/,
    );
    expect(host.changes).toEqual([]);
    host.answers.set("/ss -Hltnp/", 'LISTEN 0 511 127.0.0.1:443 0.0.0.0:* users:(("x",pid=7,fd=6))\n');
    expect((await create(host, ports)).ports).toEqual(all(ports, "open"));
  });
});

describe("read and diff", () => {
  const ports = ["5222/tcp", "443/tcp to 5281"];
  const state: FirewallPortsState = {
    ...wanted(ports),
    enforced: "firewalld",
    effectiveZone: "public",
    shut: "",
    opened: opened(ports),
  };
  const forward = ["port=443:proto=tcp:toport=5281:toaddr="];
  const full = { public: { ports: ["5222/tcp"], forwards: forward } };
  const none = { public: { ports: [], forwards: forward } };

  test.each<[Openness, Rules, Rules]>([
    ["open", full, full],
    ["closed until firewalld restarts", none, full],
    ["open until firewalld restarts", full, none],
    ["closed", none, none],
  ])("%s", async (found, runtime, permanent) => {
    const host = new Firewalled(runtime, permanent);
    const drifted = { ...state, ports: { "5222/tcp": found, "443/tcp to 5281": "open" } };
    expect(await firewallPortsHandler.read(host, state)).toEqual(drifted);
    expect(host.scripts).toEqual([firewalld().script]);
  });

  test("what is closed is known by the next reading, too", async () => {
    const gone = await firewallPortsHandler.read(new Firewalled(), state);
    expect(gone!.ports).toEqual(all(ports, "closed"));
    expect(await firewallPortsHandler.read(new Firewalled(full), gone!)).toEqual(state);
  });

  test("without firewalld there is nothing to tell, unless it is required", async () => {
    const host = new FakeHost({ answers: { [firewalld().script]: "state absent\n" } });
    const found = await firewallPortsHandler.read(host, state);
    expect(found).toEqual({ ...state, enforced: "none", effectiveZone: "" });
    const needed = await firewallPortsHandler.read(host, { ...state, required: true });
    expect(needed!.ports).toEqual(all(ports, "closed"));
    await expect(create(host, ports, { required: true })).rejects.toThrow(/has no firewalld/);
    expect(await firewallPortsHandler.update(host, state, wanted(ports))).toEqual(found);
  });
});

describe("where SSH comes in by another zone than the host reaches the Internet by", () => {
  const outside = (ports: string[][]) =>
    `outward public eth0\noutside ${JSON.stringify({ data: [{ ports: { type: "a(ss)", data: ports } }] })}\n`;

  test.each([
    ["that does not let in a port", [["5222", "tcp"]], "public (eth0)"],
    [
      "that lets in all of them",
      [
        ["5222", "tcp"],
        ["5269", "tcp"],
      ],
      "",
    ],
  ])("the state names the one %s", async (_what, ports, expected) => {
    const host = new Firewalled({ public: { ports: [] } });
    host.outward = outside(ports);
    const { shut } = await create(host, ["5222/tcp", "5269/tcp"]);
    expect(shut).toBe(expected);
  });
});

describe("update and delete", () => {
  test("another zone gets the ports, and the old one loses them", async () => {
    const host = new Firewalled({ public: { ports: ["7777/tcp"] }, dmz: { ports: [] } });
    const old = await create(host, ["5222/tcp"]);
    const now = await firewallPortsHandler.update(host, old, wanted(["5222/tcp"], { zone: "dmz" }));
    const dmz = opened(["5222/tcp"], ["5222/tcp"], "dmz");
    expect(now).toMatchObject({ zone: "dmz", effectiveZone: "dmz", opened: dmz });
    expect(host.runtime).toMatchObject({ public: { ports: ["7777/tcp"] }, dmz: { ports: ["5222/tcp"] } });
    expect(host.permanent).toEqual(host.runtime);
  });

  test("a repair remembers what the stack had opened", async () => {
    const host = new Firewalled();
    const old = await create(host, ["5222/tcp", "5269/tcp"]);
    host.runtime.public!.ports = ["5269/tcp"];
    const drifted = await firewallPortsHandler.read(host, old);
    expect(await firewallPortsHandler.update(host, drifted!, wanted(["5222/tcp", "5269/tcp"]))).toEqual(old);
  });

  test("what is no longer wanted is closed in the same command, before the rest is opened", async () => {
    const host = new Firewalled({ public: { ports: ["7777/tcp"] } });
    const old = await create(host, ["5222/tcp", "7777/tcp", "443/tcp to 5281"]);
    host.ran.length = 0;
    const now = await firewallPortsHandler.update(host, old, wanted(["5222/tcp", "443/tcp to 8443"]));
    expect(changesOf(host)).toEqual([
      `path=$(kept public) || exit
{
call "$path" $bus.config.zone removeForwardPort ssss 443 tcp 5281 ''
call "$path" $bus.config.zone addForwardPort ssss 443 tcp 8443 ''
} >/dev/null &
{
call $at $bus.zone removeForwardPort sssss public 443 tcp 5281 ''
call $at $bus.zone addForwardPort sssssi public 443 tcp 8443 '' 0
} >/dev/null &
wait
`,
    ]);
    expect(now.opened).toEqual(opened(["5222/tcp", "443/tcp to 8443"]));
    expect(host.permanent.public!.ports).toEqual(["7777/tcp", "5222/tcp"]);
  });

  test("a port that a range had let in is open when the range goes", async () => {
    const host = new Firewalled();
    const old = await create(host, ["49152-65535/udp"]);
    const now = await firewallPortsHandler.update(host, old, wanted(["50000-50099/udp"]));
    expect(now).toMatchObject({
      ports: { "50000-50099/udp": "open" },
      opened: opened(["50000-50099/udp"]),
    });
    expect(host.runtime.public!.ports).toEqual(["50000-50099/udp"]);
  });

  test("a change that fails leaves what was open", async () => {
    const host = new Firewalled(undefined, undefined, ["5269/tcp"]);
    const old = await create(host, ["5222/tcp"]);
    const before = structuredClone([host.runtime, host.permanent]);
    await expect(firewallPortsHandler.update(host, old, wanted(["5269/tcp"]))).rejects.toThrow("did not");
    expect([host.runtime, host.permanent]).toEqual(before);
  });

  test("with firewalld stopped, what goes and what comes are commands of their own", async () => {
    const host = new Firewalled(undefined, undefined, [], "stopped");
    const old = await create(host, ["5222/tcp"]);
    host.ran.length = 0;
    await firewallPortsHandler.update(host, old, wanted(["5223/tcp"]));
    expect(changesOf(host)).toEqual([
      "firewall-offline-cmd --zone=public --remove-port=5222/tcp || exit\nfirewall-offline-cmd --zone=public --add-port=5223/tcp || exit\n",
    ]);
  });

  test("closes together what the stack opened, and only that", async () => {
    const host = new Firewalled({ public: { ports: ["7777/tcp", "5281/tcp"] } });
    const state = await create(host, ["5222/tcp", "5269/tcp", "5281/tcp"]);
    host.ran.length = 0;
    await firewallPortsHandler.delete(host, state);
    expect(changesOf(host)).toEqual([
      `path=$(kept public) || exit
{
call "$path" $bus.config.zone removePort ss 5222 tcp
call "$path" $bus.config.zone removePort ss 5269 tcp
} >/dev/null &
{
call $at $bus.zone removePort sss public 5222 tcp
call $at $bus.zone removePort sss public 5269 tcp
} >/dev/null &
wait
`,
    ]);
    expect(host.permanent.public!.ports).toEqual(["7777/tcp", "5281/tcp"]);
    await firewallPortsHandler.delete(host, state);
    expect(host.changes).toHaveLength(1);
  });

  test("never closes the port that SSH came in by", async () => {
    const host = new Firewalled();
    const old = await create(host, ["22/tcp"]);
    await firewallPortsHandler.update(host, old, wanted(["5222/tcp"]));
    await firewallPortsHandler.delete(host, old);
    expect(host.runtime.public!.ports).toEqual(["22/tcp", "5222/tcp"]);
  });
});

test("what is no port is refused", () => {
  const bad = ["5222", "0/tcp", "65536/tcp", "9-8/tcp", "1/tcp --reload", "443/tcp to 0", "443/tcp to x"];
  expect(firewallPortsHandler.check!(wanted([...bad, "5222/tcp"])).map(({ reason }) => reason)).toEqual(
    bad.map((port) => `"${port}" is no port.`),
  );
  const good = ["5222/tcp", "49152-65535/udp", "443/tcp to 5281"];
  expect(firewallPortsHandler.check!(wanted(good))).toEqual([]);
  expect(good.map((port) => written(parseOpening(port)!))).toEqual(good);
});

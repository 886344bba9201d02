import { firewalld } from "../../../providers/facts/firewalld";
import type { FirewallPortInputs, FirewallPortState } from "../../../providers/firewall-port";
import { firewallPortHandler } from "../../../providers/handlers/firewall-port";
import { FakeHost } from "../../helpers/fake-host";

type Rules = Record<string, { ports: string[]; forwards?: string[] }>;

/** A host with firewalld whose zones change as it is told. */
class Firewalled extends FakeHost {
  constructor(
    readonly runtime: Rules = { public: { ports: [] } },
    readonly permanent: Rules = structuredClone(runtime),
    /** Entries that it warns of and leaves out. */
    private readonly refused: string[] = [],
    private readonly state = "running",
  ) {
    super();
    this.answers.set("/command -v firewall-cmd/", (_input, script) => {
      const stderr = this.#apply(script);
      return { stdout: this.#print(/^zone=(\S+)/m.exec(script)![1]!.replace("''", "")), stderr };
    });
    this.answers.set("/^ss /", "");
  }

  /** As firewalld prints it. */
  #print(zone: string) {
    const { runtime, permanent, state } = this;
    if (state === "stopped") {
      const zones = Object.entries(permanent).map(
        ([name, { ports }]) => `${name}\n  target: default\n  ports: ${ports.join(" ")}\n`,
      );
      return `sshd 22\nstate stopped\nzone ${zone}\ninterface host0\ndefault public\n${zones.join("\n")}\n`;
    }
    const name = zone || "public";
    const settings = (rules?: Rules[string]) => {
      if (!rules) return "";
      const forwards = (rules.forwards ?? []).map((each) => each.split(/:?\w+=/).slice(1));
      const list = (type: string, data: string[][]) => ({ type, data });
      const ports = list(
        "a(ss)",
        rules.ports.map((port) => port.split("/")),
      );
      return JSON.stringify({ type: "a{sv}", data: [{ ports, forward_ports: list("a(ssss)", forwards) }] });
    };
    const zones = permanent[name] ? "" : `zones ${JSON.stringify({ data: [Object.keys(permanent)] })}\n`;
    return `sshd 22\n${zones}state running\nzone ${name}\nruntime ${settings(runtime[name])}\npermanent ${settings(permanent[name])}\n`;
  }

  #apply(script: string): string {
    const change = (rules: Rules, zone: string, verb: string, kind: string, entry: string) => {
      if (this.refused.includes(entry)) return `Call failed: INVALID_PORT: ${entry}\n`;
      const key = kind === "Port" ? "ports" : "forwards";
      const others = (rules[zone]![key] ?? []).filter((each) => each !== entry);
      rules[zone]![key] = verb === "add" ? [...others, entry] : others;
      return "";
    };
    const offline = [
      ...script.matchAll(/firewall-offline-cmd --zone=(\S+) (--(?:add|remove).*) \|\|/g),
    ].flatMap(([, zone, options]) =>
      [...options!.matchAll(/--(\w+)-port=(\S+)/g)].map(([, verb, entry]) =>
        change(this.permanent, zone!, verb!, "Port", entry!),
      ),
    );
    const kept = /path=\$\(kept (\S+)\)/.exec(script)?.[1] ?? "";
    const calls = [...script.matchAll(/^call (\S+) \S+ (add|remove)(Port|ForwardPort) \w+ (.*)$/gm)].map(
      ([, object, verb, kind, rest]) => {
        const words = rest!.split(" ").map((word) => word.replace("''", ""));
        const [rules, zone] = object === "$at" ? [this.runtime, words.shift()!] : [this.permanent, kept];
        const [port, protocol, toport, toaddr] = words;
        const forward = `port=${port}:proto=${protocol}:toport=${toport}:toaddr=${toaddr}`;
        return change(rules, zone, verb!, kind!, kind === "Port" ? `${port}/${protocol}` : forward);
      },
    );
    return [...offline, ...calls].join("");
  }
}

/** Of what changes the host, the changes alone: without the names on the bus before, and the reading after. */
const changesOf = (host: FakeHost) =>
  host.changes.map(
    (script) =>
      script
        .split(/^(?=path=)/m)
        .at(-1)!
        .split(/^zone=/m)[0],
  );

const wanted = (port: string, more: Partial<FirewallPortInputs> = {}): FirewallPortInputs => ({
  server: "xmpp",
  port,
  required: false,
  permanent: true,
  runtime: true,
  ...more,
});
const create = (host: FakeHost, ...inputs: FirewallPortInputs[]) =>
  Promise.all(inputs.map((each) => firewallPortHandler.create(host, each)));
const opened = (permanent: boolean, runtime: boolean, zone = "public") => ({ zone, permanent, runtime });

describe("create", () => {
  test("opens all ports in one go, for good and for now, and reads before and, in the same command, after", async () => {
    const host = new Firewalled();
    const states = await create(
      host,
      wanted("5222/tcp"),
      wanted("5269/tcp"),
      wanted("443/tcp", { forwardTo: 5281 }),
    );
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
    expect(states[0]).toEqual({
      ...wanted("5222/tcp"),
      enforced: "firewalld",
      effectiveZone: "public",
      opened: opened(true, true),
    });
  });

  test("adopts what is open without a command, and opens only where it is closed", async () => {
    const host = new Firewalled(
      { public: { ports: ["5000-6000/tcp"] } },
      { public: { ports: ["5222/tcp"] } },
    );
    const [first, second] = await create(host, wanted("5222/tcp"), wanted("5269/tcp"));
    expect(first!.opened).toEqual(opened(false, false));
    expect(second!.opened).toEqual(opened(true, false));
    expect(changesOf(host)).toEqual([
      'path=$(kept public) || exit\n{\ncall "$path" $bus.config.zone addPort ss 5269 tcp\n} >/dev/null &\nwait\n',
    ]);
  });

  test("a port that firewalld refuses fails, alone", async () => {
    const host = new Firewalled(undefined, undefined, ["5269/tcp"]);
    const results = await Promise.allSettled(
      ["5222/tcp", "5269/tcp"].map((port) => firewallPortHandler.create(host, wanted(port))),
    );
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect((results[1] as PromiseRejectedResult).reason.message).toBe(
      "firewalld did not open 5269/tcp in zone public: INVALID_PORT: 5269/tcp. See `journalctl -u firewalld` on the host.",
    );
  });

  test("with firewalld stopped, for its next start", async () => {
    const host = new Firewalled(undefined, undefined, [], "stopped");
    const [state] = await create(host, wanted("5222/tcp"));
    expect(changesOf(host)).toEqual(["firewall-offline-cmd --zone=public --add-port=5222/tcp || exit\n"]);
    expect(state).toMatchObject({ enforced: "stopped", permanent: true, opened: opened(true, true) });
    expect(state).not.toHaveProperty("runtime");
  });

  test("a zone that firewalld has not loaded", async () => {
    const host = new Firewalled({ public: { ports: [] } }, { public: { ports: [] }, dmz: { ports: [] } });
    await expect(create(host, wanted("5222/tcp", { zone: "dmz" }))).rejects.toThrow(
      /^firewalld does not use zone dmz yet\. Run `firewall-cmd --reload`/,
    );
    await expect(create(host, wanted("5222/tcp", { zone: "home" }))).rejects.toThrow(
      "firewalld has no zone home; there are public, dmz. Set prosody:firewall.zone to one of them.",
    );
  });

  test("a forward that would take a served port away is refused, one of the loopback interface is not", async () => {
    const host = new Firewalled();
    const forward = wanted("443/tcp", { forwardTo: 5281 });
    host.answers.set("/^ss /", 'LISTEN 0 511 *:443 *:* users:(("nginx",pid=7,fd=6))\n');
    await expect(create(host, forward)).rejects.toThrow(/^nginx serves port 443 on the host, and a forward/);
    host.answers.set("/^ss /", 'LISTEN 0 511 127.0.0.1:443 0.0.0.0:* users:(("x",pid=7,fd=6))\n');
    expect((await create(host, forward))[0]).toMatchObject({ permanent: true, runtime: true });
  });
});

describe("read and diff", () => {
  const state = {
    ...wanted("5222/tcp"),
    enforced: "firewalld",
    effectiveZone: "public",
    opened: opened(true, true),
  };
  const read = (host: FakeHost, more = {}) =>
    firewallPortHandler.read(host, { ...state, ...more } as FirewallPortState);
  const differs = async (found: FirewallPortState | undefined, inputs = wanted("5222/tcp")) =>
    firewallPortHandler.diff!(found!, inputs);

  test.each<[string, Rules, Rules, string[]]>([
    ["open", { public: { ports: ["5222/tcp"] } }, { public: { ports: ["5222/tcp"] } }, []],
    ["closed for now", { public: { ports: [] } }, { public: { ports: ["5222/tcp"] } }, ["runtime"]],
    ["closed after a restart", { public: { ports: ["5222/tcp"] } }, { public: { ports: [] } }, ["permanent"]],
  ])("%s", async (_what, runtime, permanent, changes) => {
    expect(await differs(await read(new Firewalled(runtime, permanent)))).toEqual(changes);
  });

  test("many ports are one command", async () => {
    const host = new Firewalled();
    await Promise.all(["5222/tcp", "5269/tcp", "5281/tcp"].map((port) => read(host, { port })));
    expect(host.scripts).toEqual([firewalld().script]);
  });

  test("without firewalld there is nothing to tell, unless it is required", async () => {
    const host = new FakeHost({ answers: { [firewalld().script]: "state absent\n" } });
    const found = await read(host);
    expect(found).toMatchObject({ enforced: "none", effectiveZone: "" });
    expect(await differs(found)).toEqual([]);
    expect(await differs(found, wanted("5222/tcp", { required: true }))).toEqual(["required"]);
    const needed = await read(host, { required: true });
    expect(await differs(needed, wanted("5222/tcp", { required: true }))).toEqual(["permanent", "runtime"]);
    await expect(create(host, wanted("5222/tcp", { required: true }))).rejects.toThrow(/has no firewalld/);
  });
});

describe("update and delete", () => {
  const state = async (host: FakeHost, inputs: FirewallPortInputs) => (await create(host, inputs))[0]!;

  test("another zone gets the port, and the old one loses it", async () => {
    const host = new Firewalled({ public: { ports: ["7777/tcp"] }, dmz: { ports: [] } });
    const old = await state(host, wanted("5222/tcp"));
    const now = await firewallPortHandler.update(host, old, wanted("5222/tcp", { zone: "dmz" }));
    expect(now).toMatchObject({ zone: "dmz", effectiveZone: "dmz", opened: opened(true, true, "dmz") });
    expect(host.runtime).toMatchObject({ public: { ports: ["7777/tcp"] }, dmz: { ports: ["5222/tcp"] } });
    expect(host.permanent).toEqual(host.runtime);
  });

  test("a repair remembers what the stack had opened", async () => {
    const host = new Firewalled();
    const old = await state(host, wanted("5222/tcp"));
    host.runtime.public!.ports = [];
    const now = await firewallPortHandler.update(host, { ...old, runtime: false }, wanted("5222/tcp"));
    expect(now).toEqual(old);
  });

  test("closes together what the stack opened, and only that", async () => {
    const host = new Firewalled({ public: { ports: ["7777/tcp", "5281/tcp"] } });
    const states = await create(host, wanted("5222/tcp"), wanted("5269/tcp"), wanted("5281/tcp"));
    host.ran.length = 0;
    await Promise.all(states.map((each) => firewallPortHandler.delete(host, each)));
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
    await Promise.all(states.map((each) => firewallPortHandler.delete(host, each)));
    expect(host.changes).toHaveLength(1);
  });

  test("never closes the port that SSH came in by", async () => {
    const host = new Firewalled();
    const old = await state(host, wanted("22/tcp"));
    await firewallPortHandler.delete(host, old);
    expect(host.runtime.public!.ports).toEqual(["22/tcp"]);
  });
});

test("what is no port is refused", () => {
  const check = (port: string) => firewallPortHandler.check!(wanted(port)).length;
  expect(["5222", "0/tcp", "65536/tcp", "9-8/tcp", "1/tcp --reload"].map(check)).toEqual([1, 1, 1, 1, 1]);
  expect(["5222/tcp", "49152-65535/udp"].map(check)).toEqual([0, 0]);
});

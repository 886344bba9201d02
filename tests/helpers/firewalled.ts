import { FakeHost } from "./fake-host";

/** Zone → what it lets in. */
export type Rules = Record<string, { ports: string[]; forwards?: string[]; rich?: string[] }>;

/** A host with firewalld whose zones change as it is told. */
export class Firewalled extends FakeHost {
  /** Lines of the file in which the stack notes what it opens. */
  readonly notes = new Set<string>();
  /** The engine is gone once what is noted or changed is done. */
  isKilled = false;
  /** What firewalld says of the zone of the default route. */
  outward = "";

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
      if (this.isKilled) throw new Error("killed");
      return { stdout: this.#print(/^zone=(\S+)/m.exec(script)![1]!.replace("''", "")), stderr };
    });
    this.answers.set("/ss -Hltnp/", "");
  }

  /** As firewalld prints it. */
  #print(zone: string) {
    const { runtime, permanent, state } = this;
    const more = [...this.notes].map((line) => `opened ${line}\n`).join("") + this.outward;
    if (state === "stopped") {
      const zones = Object.entries(permanent).map(
        ([name, { ports }]) => `${name}\n  target: default\n  ports: ${ports.join(" ")}\n`,
      );
      return `sshd 22\n${more}state stopped\nzone ${zone}\ninterface host0\ndefault public\n${zones.join("\n")}\n`;
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
      const rich = { type: "as", data: rules.rich ?? [] };
      const data = [{ ports, forward_ports: list("a(ssss)", forwards), rules_str: rich }];
      return JSON.stringify({ type: "a{sv}", data });
    };
    const zones = permanent[name] ? "" : `zones ${JSON.stringify({ data: [Object.keys(permanent)] })}\n`;
    return `sshd 22\n${more}${zones}state running\nzone ${name}\nruntime ${settings(runtime[name])}\npermanent ${settings(permanent[name])}\n`;
  }

  #apply(script: string): string {
    const change = (rules: Rules, zone: string, verb: string, kind: string, entry: string) => {
      if (this.refused.includes(entry)) return `Call failed: INVALID_PORT: ${entry}\n`;
      const key = kind === "Port" ? "ports" : "forwards";
      const others = (rules[zone]![key] ?? []).filter((each) => each !== entry);
      rules[zone]![key] = verb === "add" ? [...others, entry] : others;
      return "";
    };
    for (const [line] of script.matchAll(/^\( umask .*$/gm))
      for (const [, entry] of line.matchAll(/'((?:permanent|runtime) [^']+)'/g))
        if (line.includes("grep")) this.notes.delete(entry!);
        else this.notes.add(entry!);
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

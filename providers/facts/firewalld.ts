import type { Fact } from "../host";
import { covers, parsePortRange } from "../port-range";

/** What firewalld lets in on a host: now, and after its next start. */
export interface Firewalld {
  /** `absent`: not installed. */
  state: "running" | "stopped" | "absent";
  /** The zone of the interface that SSH came in by; the default zone where that is in none. Empty when absent. */
  zone: string;
  /** Where the sshd of this connection listens: behind a router it need not be the port of the stack config. */
  sshPort?: number;
  /** Zones by name, as they are now; none unless it runs. */
  runtime: Record<string, Zone>;
  /** Zones by name, as they will be after a restart. */
  permanent: Record<string, Zone>;
}

export interface Zone {
  interfaces: string[];
  /** Entries such as `5269/tcp`. */
  ports: string[];
  /** The same, of the services that the zone lets in. */
  servicePorts: string[];
  /** Entries such as `port=443:proto=tcp:toport=5281:toaddr=`. */
  forwards: string[];
  /** Lets everything in. */
  accepts: boolean;
}

/**
 * All of it in one command: any number of ports is as quick as one.
 *
 * sudo drops `SSH_CONNECTION`, so it is looked for among the ancestors. Its third word is the host's own address,
 * which is on one of the interfaces even where a router translates addresses.
 */
export const firewalld: Fact<Firewalld> = {
  name: "firewalld",
  script: `command -v firewall-cmd >/dev/null || { echo 'state absent'; exit 0; }
pid=$$; connection=\${SSH_CONNECTION-}
while [ -z "$connection" ] && [ "\${pid:-0}" -gt 1 ]; do
  connection=$(tr '\\0' '\\n' <"/proc/$pid/environ" | sed -n 's/^SSH_CONNECTION=//p')
  pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")
done
set -- $connection
echo "sshd \${4-}"
[ -z "\${3-}" ] || ip -o address show to "\${3%\\%*}" | sed -n 's/^[0-9]*: *\\([^ @]*\\).*/interface \\1/p'
if runtime=$(firewall-cmd --list-all-zones 2>&1); then
  echo 'state running'
  bus=org.fedoraproject.FirewallD1
  default=$(busctl call $bus /org/fedoraproject/FirewallD1 $bus getDefaultZone) || exit # firewall-cmd takes .1 s more
  echo "default $(echo "$default" | tr -d 's "')"
  permanent=$(firewall-cmd --permanent --list-all-zones) || exit
elif [ $? = 252 ]; then
  echo 'state stopped'
  runtime=
  echo "default $(firewall-offline-cmd --get-default-zone)"
  permanent=$(firewall-offline-cmd --list-all-zones) || exit
else
  echo "$runtime" >&2
  exit 1
fi
printf '== runtime\\n%s\\n== permanent\\n%s\\n== services\\n' "$runtime" "$permanent"
for name in $(printf '%s\\n' "$runtime" "$permanent" | sed -n 's/^ *services: //p' | tr ' ' '\\n' | sort -u); do
  for file in "/etc/firewalld/services/$name.xml" "/usr/lib/firewalld/services/$name.xml"; do
    [ -f "$file" ] || continue
    grep -o '<port [^>]*>' "$file" | sed "s/^/$name /"
    break
  done
done`,
  parse,
  alone: true,
};

function parse(stdout: string): Firewalld {
  const [head = "", runtimeText = "", permanentText = "", servicesText = ""] = stdout.split(/^== \w+$/m);
  const word = (name: string) => new RegExp(`^${name} (\\S+)$`, "m").exec(head)?.[1];
  const state = word("state") as Firewalld["state"];
  const services = parseServices(servicesText);
  const [runtime, permanent] = [runtimeText, permanentText].map((text) => parseZones(text, services));
  const bound = Object.entries(state === "running" ? runtime! : permanent!).find(([, { interfaces }]) =>
    interfaces.includes(word("interface") ?? ""),
  );
  return {
    state,
    zone: bound?.[0] ?? word("default") ?? "",
    ...(word("sshd") && { sshPort: Number(word("sshd")) }),
    runtime: runtime!,
    permanent: permanent!,
  };
}

/** Zones begin at the margin, their properties are indented, and what a property has more of follows a tab. */
function parseZones(text: string, services: Map<string, string[]>): Record<string, Zone> {
  const blocks = text.split(/^(?=\S)/m).filter((block) => /^\S/.test(block));
  return Object.fromEntries(
    blocks.map((block) => {
      const values = (name: string) => {
        const [, value = ""] = new RegExp(`^ +${name}:(.*(?:\\n\\t.*)*)`, "m").exec(block) ?? [];
        return value.split(/\s+/).filter(Boolean);
      };
      const zone: Zone = {
        interfaces: values("interfaces"),
        ports: values("ports"),
        servicePorts: values("services").flatMap((name) => services.get(name) ?? []),
        forwards: values("forward-ports"),
        accepts: values("target")[0] === "ACCEPT",
      };
      return [/^\S+/.exec(block)![0], zone];
    }),
  );
}

/** Services that include others count for their own ports only: a port is then opened once more, which harms nobody. */
function parseServices(text: string): Map<string, string[]> {
  const services = new Map<string, string[]>();
  for (const [, name, attributes] of text.matchAll(/^(\S+) <port (.*)>$/gm)) {
    const attribute = (key: string) => new RegExp(`${key}=["']([^"']*)`).exec(attributes!)?.[1];
    services.set(name!, [...(services.get(name!) ?? []), `${attribute("port")}/${attribute("protocol")}`]);
  }
  return services;
}

/** A port that is let in, or forwarded to another one of the host. */
export interface Opening {
  /** Such as `5269/tcp`. */
  port: string;
  forwardTo?: number;
}

/** Whether a zone does it, be it by the port, a range, a service or for everything. */
export function isOpen(zone: Zone | undefined, opening: Opening): boolean {
  if (!zone) return false;
  if (opening.forwardTo !== undefined) return hasEntry(zone, opening);
  const wanted = parsePortRange(opening.port);
  const ranges = [...zone.ports, ...zone.servicePorts].flatMap((entry) => parsePortRange(entry) ?? []);
  return zone.accepts || (wanted !== undefined && ranges.some((range) => covers(range, wanted)));
}

/** Whether a zone has exactly this entry, which can be removed without touching another. */
export function hasEntry(zone: Zone | undefined, opening: Opening): boolean {
  return opening.forwardTo === undefined
    ? (zone?.ports.includes(opening.port) ?? false)
    : (zone?.forwards.some((forward) => forward.replace(/:toaddr=$/, "") === entryOf(opening)) ?? false);
}

/** As firewall-cmd takes it. */
export function entryOf({ port, forwardTo }: Opening): string {
  const [number, protocol] = port.split("/");
  return forwardTo === undefined ? port : `port=${number}:proto=${protocol}:toport=${forwardTo}`;
}

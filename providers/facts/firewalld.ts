import type { Fact } from "../host";
import { covers, parsePortRange } from "../port-range";
import { sh } from "../ssh/quote";
import { openedFile } from "./opened-ports";

/** What firewalld lets in by one zone of a host: now, and after its next start. */
export interface Firewalld {
  /** `absent`: not installed. */
  state: "running" | "stopped" | "absent";
  /** The zone's name; empty when absent. */
  zone: string;
  /** Where the sshd of this connection listens: behind a router it need not be the port of the stack config. */
  sshPort?: number;
  /** The zone as it is now; firewalld may not run, or not use it yet. */
  runtime: Zone | undefined;
  /** As it will be after a restart; there may be no such zone. */
  permanent: Zone | undefined;
  /** Names of all zones, where this one does not exist. */
  zones: string[];
  /** The zone by which the host reaches the Internet, where no zone was asked for and SSH came in by another. */
  outward?: { zone: string; interface: string; settings: Zone | undefined };
  /** Lines of {@link openedFile}. */
  noted?: string[];
}

export interface Zone {
  /** Entries such as `5269/tcp`. */
  ports: string[];
  /** The same, of the services that the zone lets in. */
  servicePorts: string[];
  /** Entries such as `port=443:proto=tcp:toport=5281:toaddr=`. */
  forwards: string[];
  /** Lets everything in. */
  accepts: boolean;
  /** Rich rules by which it refuses ports to everybody, whatever lets them in. */
  refusals: { rule: string; ports: string[] }[];
}

/** firewalld.dbus(5), for shell scripts: firewall-cmd would ask there too, but takes half a second to start. */
export const onBus = `bus=org.fedoraproject.FirewallD1 at=/org/fedoraproject/FirewallD1
call() { busctl --json=short call $bus "$@"; }
word() { said=$(call "$@") && said=\${said#*'["'} && echo "\${said%'"]}'}"; }
kept() { word $at/config $bus.config getZoneByName s "$1"; }`;

/**
 * All of a zone in one command: any number of ports is as quick as one.
 *
 * sudo drops `SSH_CONNECTION`, so it is looked for among the ancestors. Its third word is the host's own address,
 * which is on one of the interfaces even where a router translates addresses.
 * @param zone its name; default: the zone of the interface that SSH came in by, or firewalld's own default
 */
export const firewalld = (zone = ""): Fact<Firewalld> => ({
  name: `firewalld ${zone}`,
  script: `${sh`zone=${zone}`}
command -v firewall-cmd >/dev/null || { echo 'state absent'; exit 0; }
pid=$$; connection=\${SSH_CONNECTION-}
while [ -z "$connection" ] && [ "\${pid:-0}" -gt 1 ]; do
  connection=$(tr '\\0' '\\n' <"/proc/$pid/environ" | sed -n 's/^SSH_CONNECTION=//p')
  pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")
done
set -- $connection
echo "sshd \${4-}"
sed 's/^/opened /' ${openedFile} 2>/dev/null
outward=
outside=
route=$({ ip -o route show default; ip -o -6 route show default; } 2>/dev/null | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p' | head -n 1)
interface=$([ -z "\${3-}" ] || ip -o address show to "\${3%\\%*}" | sed -n '1s/^[0-9]*: *\\([^ @]*\\).*/\\1/p')
${onBus}
known() { said=$("$@" 2>&1) && echo "$said" && return; case $said in *INVALID_ZONE*) ;; *) echo "$said" >&2; return 1; esac; }
if [ "$(busctl call org.freedesktop.DBus / org.freedesktop.DBus NameHasOwner s $bus)" = 'b true' ]; then
  zone_of() {
    found=
    [ -z "$1" ] || found=$(word $at $bus.zone getZoneOfInterface s "$1") || return
    if [ -n "$found" ]; then echo "$found"; else word $at $bus getDefaultZone; fi
  }
  if [ -z "$zone" ]; then
    zone=$(zone_of "$interface") || exit
    [ -z "$interface" ] || [ -z "$route" ] || [ "$route" = "$interface" ] || outward=$(zone_of "$route") || exit
  fi
  [ "\${outward:-$zone}" = "$zone" ] || outside=$(known call $at $bus.zone getZoneSettings2 s "$outward") || exit
  runtime=$(known call $at $bus.zone getZoneSettings2 s "$zone") && path=$(known kept "$zone") || exit
  if [ -n "$path" ]; then
    permanent=$(call "$path" $bus.config.zone getSettings2) || exit
  else
    permanent=
    zones=$(call $at/config $bus.config getZoneNames) || exit
    echo "zones $zones"
  fi
  printf 'state running\\nzone %s\\nruntime %s\\npermanent %s\\n' "$zone" "$runtime" "$permanent"
  [ -z "$outside" ] || printf 'outward %s %s\\noutside %s\\n' "$outward" "$route" "$outside"
  pattern='s/.*"services":{"type":"as","data":\\[\\([^]]*\\).*/\\1/p'
else
  runtime=
  permanent=$(firewall-offline-cmd --list-all-zones) || exit
  printf 'state stopped\\nzone %s\\ninterface %s\\nroute %s\\ndefault %s\\n' "$zone" "$interface" "$route" "$(firewall-offline-cmd --get-default-zone)"
  echo "$permanent"
  pattern='s/^ *services: //p'
fi
set --
all() { printf '%s\\n' "$runtime" "$permanent" "$outside"; }
for name in $({ all | sed -n "$pattern"; all | grep -o ' service name=[^ ]*'; } | tr '"\\\\, ' '\\n' | sort -u); do
  file=/etc/firewalld/services/$name.xml
  [ -f "$file" ] || file=/usr/lib/firewalld/services/$name.xml
  set -- "$@" "$file"
done
grep -Hos '<port [^>]*>' /dev/null "$@" || true`,
  parse,
});

function parse(stdout: string): Firewalld {
  const rest = (name: string) => new RegExp(`^${name} (.+)$`, "m").exec(stdout)?.[1];
  const state = rest("state") as Firewalld["state"];
  const services = parseServices(stdout);
  const noted = [...stdout.matchAll(/^opened (.+)$/gm)].map(([, line]) => line!);
  const more = {
    ...(rest("sshd") && { sshPort: Number(rest("sshd")) }),
    ...(noted.length > 0 && { noted }),
  };
  if (state !== "stopped") {
    const [runtime, permanent, settings] = ["runtime", "permanent", "outside"].map((layer) =>
      parseSettings(rest(layer), services),
    );
    const [outward, route] = rest("outward")?.split(" ") ?? [];
    const zones: string[] = JSON.parse(rest("zones") ?? '{"data":[[]]}').data[0];
    return {
      state,
      zone: rest("zone") ?? "",
      ...more,
      runtime,
      permanent,
      zones,
      ...(outward && route && { outward: { zone: outward, interface: route, settings } }),
    };
  }
  const all = parseZones(stdout, services);
  const zoneOf = (name = "") =>
    Object.keys(all).find((zone) => all[zone]!.interfaces.includes(name)) ?? rest("default") ?? "";
  const zone = rest("zone") ?? zoneOf(rest("interface"));
  const [ssh, route] = [rest("interface"), rest("route")];
  const isOther = !rest("zone") && ssh && route && zoneOf(route) !== zone;
  return {
    state,
    zone,
    ...more,
    runtime: undefined,
    permanent: all[zone],
    zones: all[zone] ? [] : Object.keys(all),
    ...(isOther && { outward: { zone: zoneOf(route), interface: route, settings: all[zoneOf(route)] } }),
  };
}

/** What D-Bus says of a zone, as busctl writes it; it leaves out what is empty. */
function parseSettings(json: string | undefined, services: Map<string, string[]>): Zone | undefined {
  if (json === undefined) return undefined;
  const [settings] = JSON.parse(json).data as [Record<string, { data: unknown } | undefined>];
  const list = <T>(name: string) => (settings[name]?.data ?? []) as T[];
  return {
    ports: list<string[]>("ports").map((port) => port.join("/")),
    servicePorts: list<string>("services").flatMap((name) => services.get(name) ?? []),
    forwards: list<string[]>("forward_ports").map(
      ([port, protocol, toport, toaddr]) =>
        `port=${port}:proto=${protocol}:toport=${toport}:toaddr=${toaddr}`,
    ),
    accepts: settings.target?.data === "ACCEPT",
    refusals: parseRefusals(list<string>("rules_str"), services),
  };
}

/**
 * What firewall-offline-cmd says of all zones: they begin at the margin, their properties are indented, and what a
 * property has more of follows a tab.
 */
function parseZones(text: string, services: Map<string, string[]>) {
  const blocks = text.split(/^(?=\S)/m).filter((block) => /^\S+(?: \(.*\))?\n +target:/.test(block));
  return Object.fromEntries(
    blocks.map((block) => {
      const values = (name: string) => {
        const [, value = ""] = new RegExp(`^ +${name}:(.*(?:\\n\\t.*)*)`, "m").exec(block) ?? [];
        return value.split(/\s+/).filter(Boolean);
      };
      const zone = {
        interfaces: values("interfaces"),
        ports: values("ports"),
        servicePorts: values("services").flatMap((name) => services.get(name) ?? []),
        forwards: values("forward-ports"),
        accepts: values("target")[0] === "ACCEPT",
        refusals: parseRefusals(block.match(/(?<=^\t)rule .*$/gm) ?? [], services),
      };
      return [/^\S+/.exec(block)![0], zone];
    }),
  );
}

/** Services that include others count for their own ports only: a port is then opened once more, which harms nobody. */
function parseServices(text: string): Map<string, string[]> {
  const services = new Map<string, string[]>();
  for (const [, name, attributes] of text.matchAll(/^\/.*\/(.+)\.xml:<port (.*)>$/gm)) {
    const attribute = (key: string) => new RegExp(`${key}=["']([^"']*)`).exec(attributes!)?.[1];
    services.set(name!, [...(services.get(name!) ?? []), `${attribute("port")}/${attribute("protocol")}`]);
  }
  return services;
}

/**
 * A rule for some addresses, one family of them, or so many connections is somebody's own affair, and so is one before which another of a
 * negative priority lets some in; one of a later priority changes nothing.
 */
function parseRefusals(rules: string[], services: Map<string, string[]>): Zone["refusals"] {
  const elementOf = (rule: string) =>
    / (?:port port="[^"]+" protocol="\w+"|service name="[^"]+")/.exec(rule)?.[0];
  const exempt = rules.filter((rule) => / priority="-/.test(rule) && / accept\b/.test(rule)).map(elementOf);
  return rules.flatMap((rule) => {
    const isForAll =
      / (?:reject|drop)\b/.test(rule) && !/ (?:source|destination|limit|family=\S+) /.test(rule);
    const [, port, protocol] = / port port="([^"]+)" protocol="(\w+)"/.exec(rule) ?? [];
    const [, service] = / service name="([^"]+)"/.exec(rule) ?? [];
    const ports = [...(port ? [`${port}/${protocol}`] : []), ...((service && services.get(service)) || [])];
    const isLast = / priority="[1-9]/.test(rule) || exempt.includes(elementOf(rule));
    return isForAll && !isLast && ports.length > 0 ? [{ rule, ports }] : [];
  });
}

/** A port that is let in, or forwarded to another one of the host. */
export interface Opening {
  /** Such as `5269/tcp`. */
  port: string;
  forwardTo?: number;
}

/** `undefined` for what is neither "5269/tcp" nor "443/tcp to 5281". */
export function parseOpening(text: string): Opening | undefined {
  const [, port, to] = /^(\S+?)(?: to (\d+))?$/.exec(text) ?? [];
  if (!port || !parsePortRange(port)) return undefined;
  if (to === undefined) return { port };
  return parsePortRange(`${to}/tcp`) ? { port, forwardTo: Number(to) } : undefined;
}

/** As {@link parseOpening} reads it. */
export const written = ({ port, forwardTo }: Opening): string =>
  forwardTo === undefined ? port : `${port} to ${forwardTo}`;

/** Whether a zone does it, be it by the port, a range, a service or for everything. */
export function isOpen(zone: Zone | undefined, opening: Opening): boolean {
  if (!zone) return false;
  if (opening.forwardTo !== undefined) return hasEntry(zone, opening);
  if (refusalOf(zone, opening) !== undefined) return false;
  const wanted = parsePortRange(opening.port);
  const ranges = [...zone.ports, ...zone.servicePorts].flatMap((entry) => parsePortRange(entry) ?? []);
  return zone.accepts || (wanted !== undefined && ranges.some((range) => covers(range, wanted)));
}

/** The rich rule by which a zone refuses a port to everybody, or one of a range. */
export function refusalOf(zone: Zone | undefined, { port, forwardTo }: Opening): string | undefined {
  const wanted = parsePortRange(port);
  if (!wanted || forwardTo !== undefined) return undefined;
  const isAmong = (entry: string) => {
    const range = parsePortRange(entry);
    return range?.protocol === wanted.protocol && range.first <= wanted.last && wanted.first <= range.last;
  };
  return zone?.refusals.find(({ ports }) => ports.some(isAmong))?.rule;
}

/** Whether a zone has exactly this entry, which can be removed without touching another. */
export function hasEntry(zone: Zone | undefined, opening: Opening): boolean {
  const entries = [...(zone?.ports ?? []), ...(zone?.forwards ?? [])];
  return entries.some((entry) => isEntryOf(entry, opening));
}

/** Whether an entry of a zone is this one. */
export const isEntryOf = (entry: string, opening: Opening): boolean =>
  entry.replace(/:toaddr=$/, "") === entryOf(opening);

/** As firewall-cmd takes it. */
export function entryOf({ port, forwardTo }: Opening): string {
  const [number, protocol] = port.split("/");
  return forwardTo === undefined ? port : `port=${number}:proto=${protocol}:toport=${forwardTo}`;
}

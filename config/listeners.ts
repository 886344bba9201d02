import { isLoopback } from "./components";
import type { LuaValue, Ports, Server } from "./settings";

/** A port that the server opens, or a range of them. */
export interface Listener {
  /**
   * Unique among the server's listeners: the key in `prosody:ports`, or for a port of `prosody:options` Prosody's
   * own name for the service, such as "http" for `http_ports`.
   */
  service: string;
  port: number;
  /** Last port of a range, itself included; without it, `port` is the only one. */
  lastPort?: number;
  protocol: "tcp" | "udp";
  /** Which program binds it. */
  program: "prosody" | "coturn" | "certbot";
  /** Whether others than the host itself can reach it; otherwise it is bound on the loopback interface alone. */
  public: boolean;
}

type TurnPort = "turn" | "turnTls";

/**
 * What Prosody calls the service of each port, and whether it is bound on the loopback interface unless said
 * otherwise (core/portmanager.lua: `private`).
 */
const services: Record<Exclude<keyof Ports, TurnPort>, { prefix: string; isPrivate?: boolean }> = {
  clientStarttls: { prefix: "c2s" },
  clientDirectTls: { prefix: "c2s_direct_tls" },
  server: { prefix: "s2s" },
  serverDirectTls: { prefix: "s2s_direct_tls" },
  https: { prefix: "https" },
  proxy65: { prefix: "proxy65" },
  components: { prefix: "component", isPrivate: true },
};

/** Services of other ports that Prosody binds on the loopback interface. */
const privateServices = ["http", "console"];

/**
 * Every port that the server opens, the one list for whatever has to do with ports: firewall, port labels, DNS.
 * A port that is switched off is not among them. In the order of `prosody:ports`, those of `prosody:options` last.
 */
export function listeners(server: Server): Listener[] {
  const { ports, componentInterfaces } = server;
  const options: Server["options"] =
    componentInterfaces.length > 0
      ? { ...server.options, component_interfaces: componentInterfaces }
      : server.options;
  const prosody = (service: string, port: number, prefix: string, isPrivate = false): Listener => ({
    service,
    port,
    protocol: "tcp",
    program: "prosody",
    public: !interfacesOf(prefix, isPrivate, options).every(isLoopback),
  });
  return [
    ...(Object.keys(services) as (keyof typeof services)[]).flatMap((service) => {
      const port = ports[service];
      const { prefix, isPrivate } = services[service];
      return port !== false && isLoaded(service, server) ? [prosody(service, port, prefix, isPrivate)] : [];
    }),
    ...turnListeners(server),
    ...acmeListeners(server),
    ...Object.entries(options).flatMap(([option, value]) => {
      const [, prefix] = /^(.+)_ports$/.exec(option) ?? [];
      if (!prefix) return [];
      return numbers(value).map((port, index) =>
        prosody(index ? `${prefix}-${port}` : prefix, port, prefix, privateServices.includes(prefix)),
      );
    }),
  ];
}

/** `prosody:ports` as they are open: `false` also where what a port belongs to is off. */
export function openPorts(server: Server): Ports {
  const open = new Set(listeners(server).map(({ service }) => service));
  const ports = Object.entries(server.ports).map(([service, port]) => [service, open.has(service) && port]);
  return Object.fromEntries(ports) as unknown as Ports;
}

/** coturn serves each of its ports over UDP and TCP, and relays over UDP. */
function turnListeners({ turn, ports }: Server): Listener[] {
  if (!turn.enabled) return [];
  const coturn = { program: "coturn", public: true } as const;
  const { from, to } = turn.relayPorts;
  return [
    ...(["turn", "turnTls"] as const).flatMap((service) => {
      const port = ports[service];
      if (port === false || (service === "turnTls" && !turn.tls)) return [];
      const both = { port, ...coturn };
      return [
        { service, protocol: "udp" as const, ...both },
        { service: `${service}-tcp`, protocol: "tcp" as const, ...both },
      ];
    }),
    { service: "turnRelay", port: from, lastPort: to, protocol: "udp", ...coturn },
  ];
}

/** An authority always asks at port 80 (RFC 8555, 8.3). */
function acmeListeners({ domains }: Server): Listener[] {
  if (!domains.some(({ acme }) => acme?.challenge === "http-01")) return [];
  return [{ service: "acme", port: 80, protocol: "tcp", program: "certbot", public: true }];
}

/** The port of a service whose module is not loaded is not opened. */
function isLoaded(service: keyof typeof services, { proxy65, disabledModules }: Server): boolean {
  const off = (module: string) =>
    disabledModules.includes(module) || disabledModules.includes(`mod_${module}`);
  if (service === "proxy65") return proxy65.enabled && !off("proxy65");
  if (service === "clientStarttls" || service === "clientDirectTls") return !off("c2s");
  if (service === "server" || service === "serverDirectTls") return !off("s2s");
  return true;
}

/** Where Prosody binds a service, in the order in which it looks at its options. */
function interfacesOf(prefix: string, isPrivate: boolean, options: Record<string, LuaValue>): LuaValue[] {
  const given =
    options[`${prefix}_interfaces`] ??
    options[`${prefix}_interface`] ??
    (isPrivate
      ? (options.local_interfaces ?? "127.0.0.1")
      : (options.interfaces ?? options.interface ?? "*"));
  return Array.isArray(given) ? given : [given];
}

function numbers(value: LuaValue): number[] {
  const all = (Array.isArray(value) ? value : [value]).map(Number);
  return [...new Set(all)].filter((port) => Number.isInteger(port) && port > 0 && port < 65536);
}

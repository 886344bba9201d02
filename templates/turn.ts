import { readFileSync } from "node:fs";
import { join } from "node:path";
import Mustache from "mustache";
import { root } from "../config/root";
import type { LuaValue, Server } from "../config/settings";
import { turnHost } from "../config/turn";
import { privateRanges } from "../providers/turn-text";

/** coturn's configuration, but for what only the host knows: the secret and its own addresses. */
export function renderTurnServer(server: Server): string {
  const { turn, ports } = server;
  const template = readFileSync(join(root, "templates/turnserver.conf.mustache"), "utf8");
  const view = {
    server: server.name,
    realm: turn.domain,
    plain: ports.turn,
    tls: turn.tls && ports.turnTls,
    external: turn.externalAddress,
    relay: turn.relayPorts,
    denied: privateRanges,
  };
  return Mustache.render(template, view, {}, { escape: String });
}

/** The ports that coturn opens for clients. */
export function turnPorts({ turn, ports }: Pick<Server, "turn" | "ports">): number[] {
  return [ports.turn, turn.tls && ports.turnTls].filter((port) => port !== false);
}

/**
 * What clients are told (XEP-0215), with credentials (`secret`) where they need some. Prosody 0.12 makes them for
 * `turns` only when the algorithm is named.
 */
export function callServices({ turn, ports }: Server): LuaValue[] {
  const host = turnHost(turn);
  const service = (type: string, transport: string, port: number, more = {}) => ({
    type,
    transport,
    host,
    port,
    ...more,
  });
  const credentials = { secret: true, algorithm: "turn" };
  return [
    ...(ports.turn === false
      ? []
      : [
          service("stun", "udp", ports.turn),
          service("turn", "udp", ports.turn, credentials),
          service("turn", "tcp", ports.turn, credentials),
        ]),
    ...(ports.turnTls === false || !turn.tls ? [] : [service("turns", "tcp", ports.turnTls, credentials)]),
  ];
}

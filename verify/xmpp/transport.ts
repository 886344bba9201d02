import { EventEmitter } from "node:events";
import type { TLSSocket } from "node:tls";
import WebSocket from "ws";
import { fixedLookup } from "../net/names";
import { authorities, type Network } from "../net/tls";
import type { Client } from "./library";

/** Opens what carries a stream; a connection that is resumed opens it anew. */
export type Opener = () => Promise<TLSSocket>;

/** What xmpp.js asks of a socket, around a TLS connection that verified the certificate already. */
class SecuredSocket extends EventEmitter {
  readonly secure = true;
  socket: TLSSocket | undefined;

  async connect(open: Opener): Promise<void> {
    try {
      const socket = await open();
      this.socket = socket;
      socket.on("data", (data: Buffer) => this.emit("data", data));
      socket.on("error", (error) => this.emit("error", error));
      socket.on("close", () => this.emit("close"));
      this.emit("connect");
    } catch (error) {
      this.emit("error", error);
    }
  }

  write(data: string, done?: (error?: Error | null) => void): void {
    this.socket?.write(data, done);
  }

  end(): void {
    this.socket?.end();
  }

  /** As when the network is gone: nothing is said to the server. */
  cut(): void {
    this.socket?.destroy();
  }
}

/** The same for WebSocket (RFC 7395). */
class WebClientSocket extends EventEmitter {
  readonly secure = true;
  socket: WebSocket | undefined;

  async connect({ network, url }: { network: Network; url: string }): Promise<void> {
    try {
      const { hostname } = new URL(url);
      const host = await network.names.address(hostname);
      const socket = new WebSocket(url, ["xmpp"], {
        lookup: fixedLookup(host),
        ca: authorities(network),
        handshakeTimeout: 8000,
        origin: `https://${hostname}`,
      });
      this.socket = socket;
      socket.on("open", () => this.emit("connect"));
      socket.on("message", (data) => this.emit("data", data.toString()));
      socket.on("error", (error: NodeJS.ErrnoException) =>
        this.emit("error", new Error(`${url}: ${error.code ?? error.message}`)),
      );
      socket.on("close", () => this.emit("close"));
    } catch (error) {
      this.emit("error", error);
    }
  }

  write(data: string, done?: (error?: Error) => void): void {
    this.socket?.send(data, done);
  }

  end(): void {
    this.socket?.close();
  }

  cut(): void {
    this.socket?.terminate();
  }
}

export type CuttableSocket = SecuredSocket | WebClientSocket;

/** Has a client of xmpp.js go over connections that are opened here, not by itself. */
export function carryOverTls(client: Client, open: Opener): void {
  replaceTransports(client, "xmpps://placeholder", SecuredSocket, open);
}

export function carryOverWebSocket(client: Client, network: Network, url: string): void {
  replaceTransports(client, "wss://placeholder", WebClientSocket, { network, url });
}

/** Its transport for that URI, the socket and what it is given to connect to exchanged. */
function replaceTransports(client: Client, uri: string, Socket: unknown, parameters: unknown): void {
  const Base = client.transports.find(({ prototype }) => prototype.socketParameters(uri) !== undefined)!;
  class Carried extends (Base as new () => object) {}
  Object.assign(Carried.prototype, { Socket, socketParameters: () => parameters });
  client.transports.splice(0, client.transports.length, Carried as never);
}

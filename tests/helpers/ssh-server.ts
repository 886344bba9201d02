import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type AuthContext, type Connection, Server, type ServerChannel, utils } from "ssh2";
import { Secret } from "../../config/secret";
import type { HostSettings } from "../../config/settings";
import { sshKeyPair } from "./ssh-keys";

/** What a test's SSH server does; default: lets everybody in and answers nothing. */
export interface Behaviour {
  /** Private keys of the host, PEM; default one Ed25519 key. */
  hostKeys?: string[];
  authenticate?: (context: AuthContext) => void;
  /** A session is asked for; default: it is opened. */
  session?: (accept: () => void, reject: () => void) => void;
  /** What the probe for root is told: user id, login shell, and sudo's words and exit code. Default: root. */
  probe?: string;
  /** A command is to be started, and nothing answers. */
  unanswered?: (connection: Connection) => void;
  /** A command is started. */
  exec?: (command: string, channel: ServerChannel, connection: Connection) => void;
  /** A tunnel to another host is asked for; default: opened. */
  tunnel?: (accept: () => ServerChannel, reject: () => void, port: number) => void;
}

/** An SSH server on the loopback address, in this process. */
export interface TestServer {
  port: number;
  /** `ssh-ed25519 AAAA…`, one per key. */
  hostKeys: string[];
  /** How many connections there were. */
  connections: () => number;
  /** Commands that were started, without the probe. */
  commands: string[];
  /** Cuts all connections. */
  drop(): void;
  close(): Promise<void>;
}

type KeyType = "ed25519" | "ecdsa" | "rsa";

/** Keys are made once: RSA takes a while. */
const pairs = new Map<string, { private: string; public: string }>();

/** A key pair in OpenSSH's format; the same one for the same type and name. */
export function keyPair(type: KeyType = "ed25519", name = ""): { private: string; public: string } {
  const known = pairs.get(type + name);
  if (known) return known;
  const options = { ed25519: {}, ecdsa: { bits: 256 }, rsa: { bits: 2048 } }[type];
  const made = sshKeyPair(type, options);
  pairs.set(type + name, made);
  return made;
}

export function end(channel: ServerChannel, code: number): void {
  channel.exit(code);
  channel.end();
}

export async function sshServer(behaviour: Behaviour = {}): Promise<TestServer> {
  const keys = behaviour.hostKeys ?? [keyPair("ed25519", "host").private];
  const open = new Set<Connection>();
  const commands: string[] = [];
  let connections = 0;
  const server = new Server({ hostKeys: keys }, (connection) => {
    connections++;
    open.add(connection);
    connection.on("error", () => {});
    connection.on("close", () => open.delete(connection));
    connection.on("authentication", behaviour.authenticate ?? ((context) => context.accept()));
    connection.on("tcpip", (accept, reject, { destPort }) => {
      if (behaviour.tunnel) behaviour.tunnel(accept, reject, destPort);
      else {
        const channel = accept();
        const socket = connect(destPort, "127.0.0.1");
        channel.pipe(socket).pipe(channel);
        socket.on("error", () => channel.end());
        channel.on("error", () => socket.destroy()).on("close", () => socket.destroy());
      }
    });
    connection.on("session", (accept, reject) => {
      const take = () => {
        const session = accept();
        session.on("exec", (acceptExec, _reject, { command }) => {
          const isProbe = command.includes("prosody-pulumi-probe");
          if (behaviour.unanswered && !isProbe) {
            commands.push(command);
            behaviour.unanswered(connection);
            return;
          }
          const channel = acceptExec();
          if (isProbe) {
            channel.write(`prosody-pulumi-probe\n${behaviour.probe ?? "0\n/bin/sh\n"}`);
            end(channel, 0);
          } else {
            commands.push(command);
            behaviour.exec?.(command, channel, connection);
          }
        });
      };
      if (behaviour.session) behaviour.session(take, reject);
      else take();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    hostKeys: keys.map((key) => {
      const parsed = utils.parseKey(key);
      if (parsed instanceof Error) throw parsed;
      return `${parsed.type} ${parsed.getPublicSSH().toString("base64")}`;
    }),
    connections: () => connections,
    commands,
    drop() {
      for (const connection of open) connection.end();
    },
    close() {
      for (const connection of open) connection.end();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** A TCP server that does with a connection what it is told; default: nothing at all. */
export async function tcpServer(
  greet: (socket: Socket) => void = () => {},
): Promise<{ port: number; close(): Promise<void> }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket.on("error", () => {}));
    greet(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      for (const socket of open) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Settings for a server of {@link sshServer}: its key is pinned, and a new key logs in as root. */
export function settingsFor(
  server: { port: number; hostKeys?: string[] },
  settings: Partial<HostSettings> = {},
): HostSettings {
  return {
    address: "127.0.0.1",
    port: server.port,
    user: "root",
    trust: { kind: "pinned", hostKeys: server.hostKeys ?? [keyPair("ed25519", "host").public] },
    login: { privateKey: new Secret(keyPair("ed25519", "user").private) },
    sudo: false,
    connectTimeout: 20,
    ...settings,
  };
}

/** The message of what is thrown. */
export const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "no error",
    (error: Error) => {
      expect(Object.getPrototypeOf(error)).toBe(Error.prototype); // Pulumi prints plain errors alone
      return error.message;
    },
  );

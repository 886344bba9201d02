import assert from "node:assert/strict";
import { connect as connectTcp, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Client, type ServerHostKeyAlgorithm } from "ssh2";
import type { HostSettings } from "../../config/settings";
import { wait } from "../wait";
import { Connection } from "./connection";
import { networkReason } from "./errors";
import { algorithms, allAlgorithms, type Trust, trustOf } from "./host-key";
import { type HostKey, hostKey } from "./known-hosts";
import { Login } from "./login";

/** Milliseconds before each further try where the host hung up before anybody could log in. */
const retryAfter = [1000, 3000];

/** The host closed the connection before the key exchange was done. */
class HungUp extends Error {}

/** One SSH server and how to log in to it, without what comes after that. */
export type Endpoint = Omit<HostSettings, "sudo">;

/** `user@address:port`, for errors. */
export function endpointName({ user, address, port }: Endpoint): string {
  return `${user}@${address.includes(":") ? `[${address}]` : address}:${port}`;
}

/**
 * Connects, checks the host key and logs in; through the jump host, if there is one.
 * @throws Error that says what does not work and how to fix it. Each step (TCP, key exchange and login, and the
 *   same for the jump host before) may take `connectTimeout`.
 */
export async function connect(endpoint: Endpoint): Promise<Connection> {
  const trust = trustOf(endpoint);
  try {
    return await establish(endpoint, trust, new Login(endpoint));
  } catch (error) {
    if (!lacksType(error as Error)) throw error;
    // The host has no key of a known type: ask for any, so that the refusal can name its fingerprint.
    return await establish(endpoint, { ...trust, algorithms: allAlgorithms }, new Login(endpoint));
  }
}

/** The host has no key of the types that were asked for. */
const lacksType = ({ message }: Error) => /no matching host key format/.test(message);

type LoginTries = Pick<Login, "next" | "failed" | "refusal">;

/**
 * sshd's MaxStartups drops connections at random while scanners keep it busy, as on any public host: so one that is
 * dropped is tried again. The jump host's are tried by themselves.
 */
async function establish(endpoint: Endpoint, trust: Trust, login: LoginTries): Promise<Connection> {
  const giveUp = performance.now() + endpoint.connectTimeout * 1000;
  for (const pause of retryAfter) {
    try {
      return await establishOnce(endpoint, trust, login);
    } catch (error) {
      if (!(error instanceof HungUp) || performance.now() + pause >= giveUp) throw error;
    }
    await wait(pause);
  }
  return establishOnce(endpoint, trust, login);
}

async function establishOnce(endpoint: Endpoint, trust: Trust, login: LoginTries): Promise<Connection> {
  if (!endpoint.jump) {
    const socket = await reach(endpoint);
    return handshake(endpoint, trust, login, socket, socket);
  }
  const jumpName = endpointName(endpoint.jump);
  const jump = await connect(endpoint.jump).catch((error: Error) => {
    throw new Error(`the jump host ${jumpName} is in the way: ${error.message}`);
  });
  jump.hold();
  try {
    const tunnel = await jump
      .forward(endpoint.address, endpoint.port, endpoint.connectTimeout)
      .catch((error: Error) => {
        throw new Error(
          `the jump host ${jumpName} does not get through to it: ${error.message}. See whether it is up and reachable from there, and whether sshd on the jump host has AllowTcpForwarding`,
        );
      });
    const connection = await handshake(endpoint, trust, login, tunnel, jump.socket);
    connection.onLost(() => jump.end());
    return connection;
  } catch (error) {
    jump.end();
    throw error;
  } finally {
    jump.release();
  }
}

/**
 * The keys that a host shows to anybody, the strongest type first. Each is asked for when it is needed, over a
 * connection that ends with it, so that nothing secret is sent.
 * @throws Error as {@link connect} does, when it is no SSH server
 */
export async function* shownHostKeys(endpoint: Endpoint): AsyncGenerator<HostKey> {
  const nobody: LoginTries = { next: () => false, failed: () => undefined, refusal: () => "" };
  for (const offered of Object.values(algorithms)) {
    let shown: Buffer | undefined;
    const look: Trust = {
      algorithms: offered,
      verify(blob) {
        shown = blob;
        assert.fail("a key that is only looked at is trusted by nobody");
      },
      accept: () => undefined,
    };
    await establish(endpoint, look, nobody).catch((error: Error) => {
      if (!shown && !lacksType(error)) throw error;
    });
    if (shown) yield hostKey(shown);
  }
}

/** Opens the TCP connection. */
function reach({ address, port, connectTimeout }: Endpoint): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({
      host: address,
      port,
      noDelay: true, // small requests and answers in turn: 20 times faster than with Nagle's algorithm
      keepAlive: true,
      keepAliveInitialDelay: 15_000,
    });
    const fail = (code: string) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new Error(networkReason(code, connectTimeout)));
    };
    const timer = setTimeout(() => fail("ETIMEDOUT"), connectTimeout * 1000);
    const onError = (error: NodeJS.ErrnoException) => fail(error.code ?? error.message);
    socket.once("error", onError);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", onError);
      resolve(socket);
    });
  });
}

/** Key exchange, check of the host key, and login. */
function handshake(
  endpoint: Endpoint,
  trust: Trust,
  login: LoginTries,
  stream: Duplex,
  socket: Socket,
): Promise<Connection> {
  const { connectTimeout, user } = endpoint;
  return new Promise((resolve, reject) => {
    const client = new Client();
    let phase: "greeting" | "key exchange" | "login" = "greeting";
    let shown: Buffer | undefined;
    let settled = false;
    const fail = (reason: string | Error) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      client.destroy();
      stream.destroy();
      reject(typeof reason === "string" ? new Error(reason) : reason);
    };
    const timer = setTimeout(() => fail(lateReason(phase, connectTimeout, user)), connectTimeout * 1000);

    client.on("error", (error: Error & { level?: string }) => {
      if (error.level === "agent") login.failed(error.message);
      else if (error.level === "client-authentication") fail(login.refusal());
      else fail(closed(phase, error.message));
    });
    client.on("close", () => fail(closed(phase, "it closed the connection")));
    client.once("handshake", () => {
      phase = "login";
      try {
        trust.accept(shown!);
      } catch (error) {
        fail(`its host key can't be recorded: ${(error as Error).message}`);
      }
    });
    client.once("ready", () => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      client.removeAllListeners("error").removeAllListeners("close");
      resolve(new Connection(client, socket, stream));
    });
    client.connect({
      sock: stream,
      username: user,
      readyTimeout: 0,
      algorithms: { serverHostKey: trust.algorithms as ServerHostKeyAlgorithm[] },
      hostVerifier: (blob: Buffer) => {
        shown = blob;
        try {
          trust.verify(blob);
          return true;
        } catch (error) {
          fail((error as Error).message);
          return false;
        }
      },
      authHandler: ((accepted: string[] | null) => login.next(accepted)) as never,
    });
    stream.once("data", () => {
      if (phase === "greeting") phase = "key exchange";
    });
  });
}

function lateReason(phase: string, seconds: number, user: string): string {
  if (phase === "greeting")
    return `it took the TCP connection, but sent no SSH greeting within ${seconds} s. See whether \`port\` is sshd's, and whether the host is overloaded`;
  if (phase === "login")
    return `it did not answer the login of ${user} within ${seconds} s. See \`journalctl -u ssh -u sshd\` on the host's console: PAM modules and DNS lookups can block a login`;
  return `it did not finish the SSH ${phase} within ${seconds} s. See whether \`port\` is sshd's, and whether the host is overloaded`;
}

function closed(phase: string, reason: string): Error {
  if (/Too many authentication failures/.test(reason))
    return new Error(
      "it refused too many keys in a row (MaxAuthTries). Remove keys from the agent, or configure privateKeyFile alone",
    );
  if (/before handshake|ECONNRESET|EPIPE|closed the connection/.test(reason) && phase !== "login")
    return new HungUp(
      `it closed the connection before the SSH ${phase} was done. It may be overloaded (MaxStartups) or block this address (fail2ban, PerSourcePenalties)`,
    );
  return new Error(`${reason} (during the ${phase})`);
}

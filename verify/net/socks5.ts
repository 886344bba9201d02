import { once } from "node:events";
import type { Socket } from "node:net";
import { type Network, openTcp } from "./tls";

/**
 * A connection through a SOCKS5 proxy without log-in (RFC 1928) to a "host" that only names a bytestream (XEP-0065).
 * @throws Error with the proxy's answer
 */
export async function connectSocks5(
  network: Network,
  host: string,
  port: number,
  destination: string,
): Promise<Socket> {
  const socket = await openTcp(network, [{ name: host, port }]);
  try {
    const greeting = await exchange(socket, Buffer.from([5, 1, 0]));
    if (greeting[0] !== 5 || greeting[1] !== 0)
      throw new Error(`it asks for a log-in (${greeting.toString("hex")})`);
    const name = Buffer.from(destination);
    const answer = await exchange(socket, Buffer.from([5, 1, 0, 3, name.length, ...name, 0, 0]));
    if (answer[1] !== 0) throw new Error(`it refuses the bytestream (code ${answer[1]})`);
    return socket;
  } catch (error) {
    socket.destroy();
    throw new Error(`the proxy ${host}:${port}: ${(error as Error).message}`);
  }
}

async function exchange(socket: Socket, request: Buffer): Promise<Buffer> {
  socket.write(request);
  const [answer] = await once(socket, "data", { signal: AbortSignal.timeout(5000) });
  return answer;
}

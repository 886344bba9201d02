import { connect } from "node:net";

/** Seconds without anything from the server until it is given up. */
const patience = 10;

/**
 * Sends requests over one TCP connection, all at once, and waits for the answers, which come in any order (RFC 7766).
 * @param requests messages with ids of their own
 * @returns answers in the order of the requests
 * @throws Error that says why there is none, without the server's name
 */
export function exchange(
  server: { address: string; port: number },
  requests: readonly Buffer[],
): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const answers = new Map<number, Buffer>();
    let received = Buffer.alloc(0);
    const socket = connect({ host: server.address, port: server.port, noDelay: true });
    const fail = (reason: string) => {
      socket.destroy();
      reject(new Error(reason));
    };
    socket.setTimeout(patience * 1000, () =>
      fail(`no answer over TCP within ${patience} s. Does a firewall drop it?`),
    );
    socket.on("error", (error) => fail(`it can't be reached over TCP (${error.message})`));
    socket.on("close", () =>
      fail(
        "it closed the connection before it had answered. See its log; BIND does so when tcp-clients is exceeded or the request is refused",
      ),
    );
    socket.on("connect", () => {
      for (const request of requests) socket.write(Buffer.concat([lengthOf(request), request]));
    });
    socket.on("data", (data) => {
      received = Buffer.concat([received, data]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        const answer = received.subarray(2, end);
        if (answer.length >= 12) answers.set(answer.readUInt16BE(0), answer);
        received = received.subarray(end);
      }
      const ordered = requests.map((request) => answers.get(request.readUInt16BE(0)));
      if (!ordered.every((answer) => answer !== undefined)) return;
      resolve(ordered);
      socket.destroy();
    });
  });
}

function lengthOf(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return length;
}

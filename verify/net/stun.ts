import { createHash, createHmac, randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";

/** Just enough of STUN (RFC 8489) and TURN (RFC 8656), over UDP, to see that a server works for its users. */
const cookie = 0x2112a442;
const methods = { binding: 0x0001, allocate: 0x0003, refresh: 0x0004 } as const;
const attributes = {
  username: 0x0006,
  integrity: 0x0008,
  error: 0x0009,
  lifetime: 0x000d,
  realm: 0x0014,
  nonce: 0x0015,
  relayed: 0x0016,
  transport: 0x0019,
  mapped: 0x0020,
} as const;

interface TurnCredentials {
  username: string;
  password: string;
}

/** The address as which the server sees this machine. @throws Error when it does not answer */
export async function bind(address: string, port: number): Promise<string> {
  return withSocket(address, port, async (ask) => addressOf(await ask("binding", []), "mapped"));
}

/** Asks for a relay, and gives it back. @returns its address. @throws Error with the server's answer */
export async function allocate(address: string, port: number, credentials: TurnCredentials): Promise<string> {
  return withSocket(address, port, async (ask) => {
    const udp: Attribute = [attributes.transport, Buffer.from([17, 0, 0, 0])];
    const challenge = await ask("allocate", [udp]);
    if (challenge.error?.startsWith("401") !== true)
      throw new Error(`it is to ask for a log-in (401), but answers ${challenge.error ?? "with a relay"}`);
    const realm = challenge.attributes.get(attributes.realm)!;
    const login: Attribute[] = [
      [attributes.username, Buffer.from(credentials.username)],
      [attributes.realm, realm],
      [attributes.nonce, challenge.attributes.get(attributes.nonce)!],
    ];
    const key = createHash("md5").update(`${credentials.username}:${realm}:${credentials.password}`).digest();
    const answer = await ask("allocate", [udp, ...login], key);
    if (answer.error) throw new Error(`it refuses a relay: ${answer.error}`);
    const relay = addressOf(answer, "relayed");
    await ask("refresh", [[attributes.lifetime, Buffer.alloc(4)], ...login], key);
    return relay;
  });
}

type Attribute = [type: number, value: Buffer];

interface Answer {
  id: Buffer;
  attributes: Map<number, Buffer>;
  /** Such as `401 Unauthorized`. */
  error?: string;
}

type Ask = (method: keyof typeof methods, list: Attribute[], key?: Buffer) => Promise<Answer>;

async function withSocket<T>(address: string, port: number, body: (ask: Ask) => Promise<T>): Promise<T> {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  try {
    return await body((method, list, key) =>
      exchange(socket, address, port, message(methods[method], list, key)),
    );
  } finally {
    socket.close();
  }
}

/** Sent again while there is no answer, since UDP may lose it. */
async function exchange(socket: Socket, address: string, port: number, request: Buffer): Promise<Answer> {
  const id = request.subarray(8, 20);
  for (const wait of [500, 1000, 2000]) {
    socket.send(request, port, address);
    try {
      for (;;) {
        const [answer] = (await once(socket, "message", { signal: AbortSignal.timeout(wait) })) as [Buffer];
        if (answer.subarray(8, 20).equals(id)) return parse(answer);
      }
    } catch (error) {
      if ((error as Error).name !== "AbortError")
        throw new Error((error as NodeJS.ErrnoException).code ?? String(error));
    }
  }
  throw new Error("no answer over UDP in 3.5 s");
}

/** A request; with a key it ends with MESSAGE-INTEGRITY, whose own length counts in what is signed. */
export function message(method: number, list: Attribute[], key?: Buffer): Buffer {
  const body = Buffer.concat(list.map(([type, value]) => attribute(type, value)));
  const head = (length: number) => {
    const header = Buffer.alloc(8);
    header.writeUInt16BE(method, 0);
    header.writeUInt16BE(length, 2);
    header.writeUInt32BE(cookie, 4);
    return header;
  };
  const id = randomBytes(12);
  if (!key) return Buffer.concat([head(body.length), id, body]);
  const signed = Buffer.concat([head(body.length + 24), id, body]);
  const integrity = createHmac("sha1", key).update(signed).digest();
  return Buffer.concat([signed, attribute(attributes.integrity, integrity)]);
}

function attribute(type: number, value: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16BE(type, 0);
  header.writeUInt16BE(value.length, 2);
  return Buffer.concat([header, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
}

export function parse(answer: Buffer): Answer {
  const found = new Map<number, Buffer>();
  for (let at = 20; at + 4 <= answer.length; ) {
    const length = answer.readUInt16BE(at + 2);
    found.set(answer.readUInt16BE(at), answer.subarray(at + 4, at + 4 + length));
    at += 4 + length + ((4 - (length % 4)) % 4);
  }
  const error = found.get(attributes.error);
  return {
    id: answer.subarray(4, 20),
    attributes: found,
    ...(error && { error: `${error[2]! * 100 + error[3]!} ${error.subarray(4).toString()}` }),
  };
}

/** XOR-MAPPED-ADDRESS and its like: the address is masked with the cookie, and beyond IPv4 with the transaction. */
export function addressOf({ id, attributes: found, error }: Answer, kind: "mapped" | "relayed"): string {
  const value = found.get(attributes[kind]);
  if (!value) throw new Error(error ?? "the answer has no address");
  const bytes = Buffer.from(value.subarray(4).map((byte, index) => byte ^ id[index]!));
  if (bytes.length === 4) return bytes.join(".");
  return [...Array(8)].map((_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(":");
}

import { createHash, createHmac, pbkdf2, randomUUID } from "node:crypto";
import { promisify } from "node:util";
import saslprep from "@mongodb-js/saslprep";

/**
 * What a server keeps of a password: enough to check it, not enough to log in (RFC 5802, RFC 7677). As PostgreSQL
 * writes it, `SCRAM-SHA-1$ITERATIONS:SALT$STOREDKEY:SERVERKEY` with Base64: one short text in the state.
 */
export type Verifier = string;

type Hash = "sha1" | "sha256";

const sizes: Record<Hash, number> = { sha1: 20, sha256: 32 };
const derive = promisify(pbkdf2);

const answers = new Map<string, Promise<boolean>>();

/**
 * Whether a verifier was made from this password. Takes some milliseconds, off the main thread; the engine asks
 * more than once in a run, so the answers are kept.
 * False for a password that SASLprep (RFC 4013) does not take, since nobody can log in with it.
 */
export function matches(password: string, known: Verifier): Promise<boolean> {
  const question = JSON.stringify([password, known]);
  const answer = answers.get(question) ?? compare(password, known);
  answers.set(question, answer);
  return answer;
}

async function compare(password: string, known: Verifier): Promise<boolean> {
  const [, bits, iterations, salt] = /^SCRAM-SHA-(1|256)\$(\d+):([^$]+)\$/.exec(known) ?? [];
  const prepared = prepare(password);
  if (!salt || prepared === undefined) return false;
  const hash = bits === "1" ? "sha1" : "sha256";
  return (await hashed(prepared, Buffer.from(salt, "base64"), Number(iterations), hash)) === known;
}

/**
 * The verifier of a password with a fresh salt, as Prosody would make it: the salt's bytes are the letters of a UUID.
 * @throws Error, without the password, when SASLprep does not take it.
 */
export async function verifier(
  password: string,
  hash: Hash = "sha1",
  iterations = 10_000,
): Promise<Verifier> {
  const prepared = prepare(password);
  if (prepared === undefined)
    throw new Error(
      "The password has characters that SASLprep (RFC 4013) forbids; choose another in prosody:storage.",
    );
  return hashed(prepared, Buffer.from(randomUUID()), iterations, hash);
}

async function hashed(prepared: string, salt: Buffer, iterations: number, hash: Hash): Promise<Verifier> {
  const salted = await derive(prepared, salt, iterations, sizes[hash], hash);
  const hmac = (text: string) => createHmac(hash, salted).update(text).digest();
  const storedKey = createHash(hash).update(hmac("Client Key")).digest();
  return textOf({ salt, iterations, storedKey, serverKey: hmac("Server Key") });
}

/** The keys tell the hash by their size. */
export function textOf(parts: {
  salt: Buffer;
  iterations: number;
  storedKey: Buffer;
  serverKey: Buffer;
}): Verifier {
  const [salt, storedKey, serverKey] = [parts.salt, parts.storedKey, parts.serverKey].map((bytes) =>
    bytes.toString("base64"),
  );
  const hash = parts.storedKey.length === sizes.sha1 ? "SCRAM-SHA-1" : "SCRAM-SHA-256";
  return `${hash}$${parts.iterations}:${salt}$${storedKey}:${serverKey}`;
}

/** Code points that came after Unicode 3.2, emoji for one, pass: Prosody takes them as they are. */
function prepare(password: string): string | undefined {
  try {
    return saslprep(password, { allowUnassigned: true });
  } catch {
    return undefined;
  }
}

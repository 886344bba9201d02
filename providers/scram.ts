import { createHash, createHmac, pbkdf2, randomUUID } from "node:crypto";
import { promisify } from "node:util";
import saslprep from "@mongodb-js/saslprep";

/** What a server keeps of a password: enough to check it, not enough to log in (RFC 5802, RFC 7677). */
export interface Verifier {
  /** As text: Prosody takes the letters of a UUID for the salt's bytes. */
  salt: string;
  iterations: number;
  /** Hexadecimal, as `serverKey`; 20 bytes with SCRAM-SHA-1, 32 with SCRAM-SHA-256. */
  storedKey: string;
  serverKey: string;
}

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
  const question = JSON.stringify([password, known.salt, known.iterations, known.storedKey, known.serverKey]);
  const answer = answers.get(question) ?? compare(password, known);
  answers.set(question, answer);
  return answer;
}

async function compare(password: string, known: Verifier): Promise<boolean> {
  const hash = known.storedKey.length === 2 * sizes.sha256 ? "sha256" : "sha1";
  const prepared = prepare(password);
  if (prepared === undefined) return false;
  const { storedKey, serverKey } = await keys(prepared, known.salt, known.iterations, hash);
  return storedKey === known.storedKey && serverKey === known.serverKey;
}

/**
 * The verifier of a password with a fresh salt, as Prosody would make it.
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
  const salt = randomUUID();
  return { salt, iterations, ...(await keys(prepared, salt, iterations, hash)) };
}

async function keys(prepared: string, salt: string, iterations: number, hash: Hash) {
  const salted = await derive(prepared, salt, iterations, sizes[hash], hash);
  const hmac = (text: string) => createHmac(hash, salted).update(text).digest();
  return {
    storedKey: createHash(hash).update(hmac("Client Key")).digest("hex"),
    serverKey: hmac("Server Key").toString("hex"),
  };
}

/** Code points that came after Unicode 3.2, emoji for one, pass: Prosody takes them as they are. */
function prepare(password: string): string | undefined {
  try {
    return saslprep(password, { allowUnassigned: true });
  } catch {
    return undefined;
  }
}

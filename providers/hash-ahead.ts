import { type Verifier, verifier } from "./scram";

const waiting = new Set<string>();
const made = new Map<string, Verifier>();

/**
 * Makes verifiers of passwords, one after the other off the main thread, before anybody asks for them: on a new host,
 * the first account waits seconds for the server, in which this machine has little else to do.
 * @param passwords whose verifiers may be made here, see {@link hashable}
 */
export async function hashAhead(passwords: Iterable<string>): Promise<void> {
  for (const password of passwords) if (hashable(password)) waiting.add(password);
  for (const password of waiting) {
    waiting.delete(password);
    made.set(password, await verifier(password));
  }
}

/** The verifier of a new account's password, made now or ahead. No two accounts get the same. */
export async function hash(password: string): Promise<Verifier> {
  const ahead = made.get(password);
  made.delete(password);
  waiting.delete(password);
  return ahead ?? verifier(password);
}

/**
 * Whether this machine may make the verifier: not of a password that SASLprep (RFC 4013) might change, lest two
 * implementations differ in it and its owner does not get in.
 */
export const hashable = (password: string): boolean => /^[ -~]+$/.test(password);

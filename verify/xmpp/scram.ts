import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";

const hashes = { "SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1" } as const;
type Name = keyof typeof hashes;

/** Mechanisms of RFC 5802 and RFC 7677, the stronger first. */
export const scramNames = Object.keys(hashes) as Name[];

/**
 * A mechanism for xmpp.js, whose own one does not know SHA-256, takes half a second, and leaves the server's proof
 * unlooked at. For user names and passwords of letters and digits alone.
 * @param onServerProof called with what the server has to send with its success
 */
export function scram(name: Name, onServerProof: (expected: string) => void) {
  const hash = hashes[name];
  const hmac = (key: Buffer, text: string) => createHmac(hash, key).update(text).digest();

  class Mechanism {
    readonly name = name;
    readonly clientFirst = true;
    readonly #nonce = randomBytes(18).toString("base64url");
    #first: string | undefined;
    #challenge = "";

    challenge(text: string): this {
      this.#challenge = text;
      return this;
    }

    response({ username, password }: { username: string; password: string }): string {
      if (this.#first) return this.#answer(this.#first, password);
      this.#first = `n=${username},r=${this.#nonce}`;
      return `n,,${this.#first}`;
    }

    #answer(first: string, password: string): string {
      const [, nonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(this.#challenge) ?? [];
      if (!nonce?.startsWith(this.#nonce))
        throw new Error("the server's SCRAM challenge is not for this log-in");
      const length = createHash(hash).digest().length;
      const salted = pbkdf2Sync(password, Buffer.from(salt!, "base64"), Number(iterations), length, hash);
      const final = `c=biws,r=${nonce}`;
      const message = `${first},${this.#challenge},${final}`;
      const clientKey = hmac(salted, "Client Key");
      const signature = hmac(createHash(hash).update(clientKey).digest(), message);
      const proof = Buffer.from(clientKey.map((byte, index) => byte ^ signature[index]!));
      onServerProof(`v=${hmac(hmac(salted, "Server Key"), message).toString("base64")}`);
      return `${final},p=${proof.toString("base64")}`;
    }
  }
  Object.assign(Mechanism.prototype, { name }); // where xmpp.js looks for it
  return Mechanism;
}

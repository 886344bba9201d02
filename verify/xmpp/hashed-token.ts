import { createHmac } from "node:crypto";

/** What a device has from the server instead of the password (XEP-0484). */
export interface Token {
  mechanism: string;
  token: string;
  expiry: string;
}

/** A device that logs in by SASL2, with a token from the second time on. */
export interface Device {
  /** Tokens are for it alone: a UUID. */
  id: string;
  token?: Token;
}

export const hashedTokenName = "HT-SHA-256-NONE";

/**
 * The mechanism of that name for xmpp.js, whose own one is content with a server that proves nothing.
 * @param onServerProof called with what the server has to send with its success, as latin1
 */
export function hashedToken(onServerProof: (expected: string) => void) {
  class Mechanism {
    readonly clientFirst = true;

    response({ username, password: token }: { username: string; password: string }): string {
      const hmac = (text: string) => createHmac("sha256", token).update(text).digest().toString("latin1");
      onServerProof(hmac("Responder"));
      return `${username}\0${hmac("Initiator")}`;
    }
  }
  Object.assign(Mechanism.prototype, { name: hashedTokenName }); // where xmpp.js looks for it
  return Mechanism;
}

import type { Common } from "./handler";

/** An account, or the promise that there is none. */
export interface AccountInputs extends Common {
  /** Bare JID, normalised. */
  jid: string;
  exists: boolean;
  /** Secret; not set when the account must not exist. */
  password?: string;
  /** `initial`: the password is set only when the account is made. `enforced`: a different one is drift. */
  policy: "initial" | "enforced";
}

export interface AccountState extends Common {
  jid: string;
  exists: boolean;
  policy: "initial" | "enforced";
  /** The SCRAM verifier on the host (RFC 5802); secret. `undefined` when there is no account. */
  verifier?: { salt: string; iterations: number; storedKey: string; serverKey: string };
}

import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";
import type { Verifier } from "./scram";

/**
 * An account, or the promise that there is none. The engine's work grows with each property of each account, so that
 * what nearly all have in common is left out.
 */
export interface AccountInputs extends Common {
  /** Bare JID, normalised. */
  jid: string;
  /** Default true. */
  exists?: boolean;
  /** Secret; not set when the account must not exist. */
  password?: string;
  /**
   * `initial`: the password is set when the account is made, or when it has none. `enforced`: a different one is
   * drift. Default `initial`.
   */
  policy?: "initial" | "enforced";
  /**
   * By which the server checks passwords. Who is stored by the other can't log in with the right password, which is
   * drift where it is enforced. Default `SHA-1`.
   */
  hash?: "SHA-256";
}

export interface AccountState extends Common {
  jid: string;
  exists?: boolean;
  policy?: "initial" | "enforced";
  /** Was there before the stack, so that a destroy leaves it. */
  adopted?: true;
  /** The SCRAM verifier on the host (RFC 5802); secret. `undefined` when there is no account, or no password. */
  verifier?: Verifier;
}

/** An account of a virtual host, see {@link AccountInputs}. A deletion leaves an archive of its data on the host. */
export class Account extends ProsodyResource<AccountInputs> {
  constructor(name: string, inputs: InputsOf<AccountInputs>, options?: pulumi.CustomResourceOptions) {
    super("Account", name, inputs, [], ["password", "verifier"], options);
  }
}

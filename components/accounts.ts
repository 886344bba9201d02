import * as pulumi from "@pulumi/pulumi";
import type { Account as AccountSettings } from "../config/settings";
import { Account } from "../providers/account";
import { Part } from "./part";

interface AccountsArgs {
  /** Name of the server in the stack config. */
  readonly server: string;
  readonly jids: readonly AccountSettings[];
  /** By which the server checks passwords. Default SHA-1. */
  readonly hash?: "SHA-256";
}

/** One resource per bare JID of the stack config, those that must not exist included. */
export class Accounts extends Part {
  /** JIDs that exist, in the order of the stack config. */
  readonly jids: string[];

  constructor(name: string, args: AccountsArgs, options?: pulumi.ComponentResourceOptions) {
    super("prosody:index:Accounts", name, options);
    for (const { jid, password, policy } of args.jids) {
      new Account(
        jid,
        {
          server: args.server,
          jid,
          ...(password ? { password: pulumi.secret(password.reveal()) } : { exists: false }),
          ...(policy === "enforced" && { policy, ...(args.hash && { hash: args.hash }) }),
        },
        this.child,
      );
    }
    this.jids = args.jids.filter(({ password }) => password).map(({ jid }) => jid);
    this.registerOutputs({ jids: this.jids });
  }
}

import type { AccountInputs, AccountState } from "../account";
import { changeAccount } from "../account-changes";
import { accounts } from "../facts/accounts";
import type { Handler } from "../handler";
import type { Host } from "../host";
import { matches, type Verifier } from "../scram";

/** What is left out of inputs and state. */
const usual = { exists: true, policy: "initial" };

/** Accounts of Prosody's virtual hosts. */
export const accountHandler: Handler<AccountInputs, AccountState> = {
  inputs: ["jid", "exists", "policy"],
  replaceOn: ["server", "jid"],
  timeout: 600, // a group of a thousand accounts takes its time
  id: ({ jid }) => jid,

  check({ jid, exists = true, password }) {
    if (exists && !password)
      return [
        { property: "password", reason: `${jid} is to exist, so it needs a password that is not empty.` },
      ];
    return [];
  },

  /** The password is no part of the state: its SCRAM verifier, as last seen on the host, is compared. */
  async diff(state, inputs) {
    const [is, wanted] = [
      { ...usual, ...state },
      { ...usual, ...inputs },
    ];
    const changed = (["server", "jid", "exists", "policy"] as const).filter(
      (name) => is[name] !== wanted[name],
    );
    if (is.exists && wanted.exists && (await isWrong(state.verifier, inputs)))
      return [...changed, "password"];
    return changed;
  },

  async create(host, inputs) {
    return bringAbout(host, inputs);
  },

  /** Where the accounts can't be told, the state stays: package or configuration show their own drift. */
  async read(host, state) {
    const found = await host.fact(accounts);
    if (!found.known) return state;
    const isForbidden = state.exists === false;
    if (found.verifiers.has(state.jid))
      return { ...state, ...(isForbidden && { exists: true }), verifier: found.verifiers.get(state.jid) };
    return isForbidden ? state : undefined;
  },

  async update(host, state, inputs) {
    const [{ exists: was = true }, { exists = true }] = [state, inputs];
    if (was !== exists) return bringAbout(host, inputs);
    const { verifier, adopted } = state;
    if (!exists || !(await isWrong(verifier, inputs))) return stateOf(inputs, verifier, adopted);
    return stateOf(inputs, await replacePassword(host, inputs), adopted);
  },

  /** Taken out of the stack config it goes, whoever made it; a destroy gives the server back as it was. */
  async delete(host, { jid, exists = true, adopted }, isDestroy) {
    if (exists && !(adopted && isDestroy)) await changeAccount(host, { action: "delete", jid });
  },
};

/** Makes, adopts or deletes the account; one that is adopted keeps its password, unless it is enforced. */
async function bringAbout(host: Host, inputs: AccountInputs): Promise<AccountState> {
  const { jid, exists = true, password } = inputs;
  if (!exists) {
    await changeAccount(host, { action: "delete", jid });
    return stateOf(inputs, undefined);
  }
  const there = await changeAccount(host, { action: "set", jid, password: password! });
  const isAsWanted = !(await isWrong(there?.verifier, inputs));
  const verifier = isAsWanted ? there?.verifier : await replacePassword(host, inputs);
  return stateOf(inputs, verifier, there?.found || undefined);
}

async function replacePassword(host: Host, { jid, password }: AccountInputs): Promise<Verifier | undefined> {
  return (await changeAccount(host, { action: "replace", jid, password: password! }))?.verifier;
}

/** Whether the account gets another password, or the same by the server's hash. */
export async function isWrong(
  verifier: Verifier | undefined,
  { policy, password, hash }: Pick<AccountInputs, "policy" | "password" | "hash">,
): Promise<boolean> {
  if (!verifier) return true;
  if (policy !== "enforced") return false;
  return !verifier.startsWith(`SCRAM-${hash ?? "SHA-1"}$`) || !(await matches(password!, verifier));
}

function stateOf(
  { server, jid, exists, policy }: AccountInputs,
  verifier: Verifier | undefined,
  adopted?: true,
): AccountState {
  return {
    server,
    jid,
    ...(exists !== undefined && { exists }),
    ...(policy && { policy }),
    ...(adopted && { adopted }),
    ...(verifier && { verifier }),
  };
}

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
    return stateOf(inputs, await bringAbout(host, inputs));
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
    if (was !== exists) return stateOf(inputs, await bringAbout(host, inputs));
    if (!exists || !(await isWrong(state.verifier, inputs))) return stateOf(inputs, state.verifier);
    const { jid, password } = inputs;
    return stateOf(inputs, await changeAccount(host, { action: "replace", jid, password: password! }));
  },

  async delete(host, { jid, exists = true }) {
    if (exists) await changeAccount(host, { action: "delete", jid });
  },
};

/** Makes, adopts or deletes the account; one that is adopted keeps its password, unless it is enforced. */
async function bringAbout(host: Host, inputs: AccountInputs): Promise<Verifier | undefined> {
  const { jid, exists = true, password } = inputs;
  if (!exists) return changeAccount(host, { action: "delete", jid });
  const found = await changeAccount(host, { action: "set", jid, password: password! });
  if (!(await isWrong(found, inputs))) return found;
  return changeAccount(host, { action: "replace", jid, password: password! });
}

/** Whether the account gets another password. */
export async function isWrong(
  verifier: Verifier | undefined,
  { policy, password }: Pick<AccountInputs, "policy" | "password">,
): Promise<boolean> {
  if (!verifier) return true;
  return policy === "enforced" && !(await matches(password!, verifier));
}

function stateOf(
  { server, jid, exists, policy }: AccountInputs,
  verifier: Verifier | undefined,
): AccountState {
  return {
    server,
    jid,
    ...(exists !== undefined && { exists }),
    ...(policy && { policy }),
    ...(verifier && { verifier }),
  };
}

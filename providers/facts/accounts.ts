import type { Fact } from "../host";
import { lengthPrefixed, luaInput, luaScript, luaSource, notInstalled } from "../lua";
import type { Verifier } from "../scram";

/** The accounts on a host, or why they can't be told. */
export type Accounts =
  | {
      known: true;
      /** By bare JID. `undefined` as a value: an account without a usable password. */
      verifiers: Map<string, Verifier | undefined>;
    }
  | { known: false; reason: string };

/**
 * All accounts of all virtual hosts. Read with Prosody's own libraries from its storage, so that it makes no
 * difference whether the server runs. A virtual host that is not in the configuration any more counts as long as
 * the internal storage has accounts of it.
 *
 * Without Prosody and without its data there are none. Not known without Prosody beside its data, or with a configuration that Prosody can't read.
 */
export const accounts: Fact<Accounts> = {
  name: "accounts",
  script: `(${luaScript})
code=$?
[ $code = ${notInstalled} ] || exit $code
[ -d /var/lib/prosody ] && echo '{"unreadable":"Prosody is not installed"}' || echo '{"complete":true}'`,
  input: luaInput(["wire", "prosody", "read-accounts"], lengthPrefixed(luaSource("accounts"))),
  parse,
};

interface Line {
  jid?: string;
  account?: Partial<Verifier>;
  complete?: true;
  unreadable?: string;
}

function parse(stdout: string): Accounts {
  const lines = stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line);
  const last = lines.at(-1);
  if (last?.unreadable !== undefined) return { known: false, reason: last.unreadable };
  if (!last?.complete) throw new Error("the list of accounts ends early");
  const found = lines.flatMap(({ jid, account }) =>
    jid && account ? [[jid, verifierOf(account)] as const] : [],
  );
  return { known: true, verifiers: new Map(found) };
}

/** An account may be without a password: when its making was cut off, or it can't be read. */
export function verifierOf({
  salt,
  iterations,
  storedKey,
  serverKey,
}: Partial<Verifier>): Verifier | undefined {
  return salt && iterations && storedKey && serverKey
    ? { salt, iterations, storedKey, serverKey }
    : undefined;
}

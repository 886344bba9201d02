import { isDeepStrictEqual } from "node:util";
import { accounts, isOf } from "../facts/accounts";
import type { Host } from "../host";
import type { Verifier } from "../scram";
import type { Found } from "./found";
import type { Model } from "./model";

/** How a virtual host checks passwords. */
export interface LogIn {
  authentication: string;
  /** Unset: SHA-1. */
  passwordHash?: string;
}

/** People who could not log in any more, because an option would no longer be what it is. */
interface LockOut {
  host: string;
  option: "authentication" | "password_hash";
  is: string;
  wanted: string;
  /** Accounts whose password the host has, and could not use; `undefined` where it has none. */
  accounts?: number;
}

export type Verifiers = ReadonlyMap<string, Verifier | undefined>;

/** Whom another way to check passwords locks out. Prosody takes no hash for another, and no hash for a password. */
function lockOuts(
  now: Record<string, LogIn>,
  wanted: Record<string, LogIn>,
  verifiers: Verifiers,
): LockOut[] {
  return Object.keys(wanted)
    .sort()
    .flatMap((host) => (now[host] ? lockOut(host, now[host], wanted[host]!, verifiers) : []));
}

function lockOut(host: string, now: LogIn, wanted: LogIn, verifiers: Verifiers): LockOut[] {
  const [is, becomes] = [now.authentication, wanted.authentication];
  if (!/^(internal_\w+|insecure|anonymous)$/.test(is))
    return is === becomes ? [] : [{ host, option: "authentication", is, wanted: becomes }];
  if (is !== "internal_hashed") return []; // a password in clear becomes any hash
  const [hash, other] = [now.passwordHash ?? "SHA-1", wanted.passwordHash ?? "SHA-1"];
  const isHere = isOf(host);
  const count = (isLost: (verifier: Verifier) => boolean) =>
    [...verifiers].filter(([jid, verifier]) => isHere(jid) && verifier && isLost(verifier)).length;
  if (becomes === "internal_plain")
    return some({ host, option: "authentication", is, wanted: becomes, accounts: count(() => true) });
  if (becomes !== is || hash === other) return [];
  const lost = count((verifier) => !verifier.startsWith(`SCRAM-${other}$`));
  return some({ host, option: "password_hash", is: hash, wanted: other, accounts: lost });
}

const some = (found: LockOut): LockOut[] => (found.accounts ? [found] : []);

/** How the virtual hosts of a configuration check passwords. */
export function logIns({ hosts }: Model): Record<string, LogIn> {
  return Object.fromEntries(
    Object.entries(hosts).flatMap(([host, { authentication, passwordHash }]) =>
      authentication ? [[host, { authentication, passwordHash }]] : [],
    ),
  );
}

/**
 * Pure: why a configuration must not go live, a line for each virtual host where nobody who has an account could log in.
 * @param isOurs whether the program has the server already: who names another value in the options then was warned of it
 *   and means it; who takes a server over may not know what it has
 */
export function refusals(
  now: Record<string, LogIn>,
  wanted: Record<string, LogIn>,
  verifiers: Verifiers,
  isOurs: boolean,
): string[] {
  const isMeant = ({ host, option }: LockOut) =>
    isOurs && (option === "authentication" || wanted[host]!.passwordHash !== undefined);
  return lockOuts(now, wanted, verifiers)
    .filter((found) => !isMeant(found))
    .map((found) => refusal(found));
}

function refusal({ host, option, is, wanted, accounts }: LockOut): string {
  return accounts === undefined
    ? `nobody could log in to ${host} any more: its authentication is ${is}, and would be ${wanted}. Keep it: pulumi config set --path 'options.${option}' ${is}`
    : `accounts of ${host} could not log in any more (${accounts}): their passwords are stored for ${option} ${is}, which would be ${wanted}. Keep it: pulumi config set --path 'options.${option}' ${is}`;
}

/** The {@link refusals} of a staged configuration. The accounts are read where their passwords may be of no use only. */
export async function refusedLockOuts(host: Host, before: Found, staged: Model): Promise<string[]> {
  if (!before.model) return [];
  const [now, wanted] = [logIns(before.model), logIns(staged)];
  const differs = Object.keys(wanted).some(
    (name) => now[name] && !isDeepStrictEqual(now[name], wanted[name]),
  );
  if (!differs) return [];
  const found = await host.fact(accounts);
  return refusals(now, wanted, found.known ? found.verifiers : new Map(), before.known);
}

import { isMap } from "../../config/parts";
import { Secret } from "../../config/secret";
import { type Leaf, leaves } from "../set-options";
import type { RawConfig } from "../stack";
import type { Answers } from "./questions";

type Options = Record<string, unknown>;

/** The options of the stack config that answers make, without `prosody:`; its secrets are of the class. */
export function stackConfig(answers: Answers): Options {
  const { domain, jid, password } = answers;
  return {
    host: host(answers),
    ...(domain !== undefined && { domains: { [domain]: certificate(answers) } }),
    ...(jid !== undefined && { jids: { [jid]: password }, admins: [jid] }),
  };
}

function host({ address, port, user, hostKey, privateKeyFile, passphrase, sudoPassword }: Answers): Options {
  const isRoot = (user ?? "root") === "root";
  return {
    ...(address !== undefined && { address }),
    ...(port !== undefined && { port }),
    ...(!isRoot && { user }),
    ...(hostKey === undefined ? { trustOnFirstUse: true } : { hostKey }),
    ...(privateKeyFile && { privateKeyFile }),
    ...(passphrase && { passphrase }),
    ...(!isRoot && { sudo: sudoPassword ? { password: sudoPassword } : true }),
  };
}

function certificate(answers: Answers): Options {
  const { certificate, email, certificateFile, keyFile } = answers;
  if (certificate === "selfSigned") return { selfSigned: true };
  if (certificate === "files")
    return {
      ...(certificateFile !== undefined && { certificate: certificateFile }),
      ...(keyFile !== undefined && { keyFile }),
    };
  return { acme: email === undefined ? {} : { email } };
}

/**
 * What a stack config becomes: the host, and what is said of a domain or an account, are replaced; everything else
 * stays as it is.
 * @param wanted see {@link stackConfig}
 */
export function merged(existing: Options, wanted: Options): Options {
  const both = (option: "domains" | "jids") => ({
    ...(isMap(existing[option]) ? existing[option] : {}),
    ...(wanted[option] as Options),
  });
  return {
    ...existing,
    ...wanted,
    domains: both("domains"),
    jids: both("jids"),
    admins: existing.admins ?? wanted.admins,
  };
}

/** The same as changes: paths to remove, and values to set after it. */
export function changes(existing: Options, wanted: Options): { remove: string[]; set: Leaf[] } {
  const both = (["domains", "jids"] as const).flatMap((option) => {
    const present = existing[option];
    const keys = Object.keys(wanted[option] as Options);
    return keys.flatMap((key) =>
      isMap(present) && key in present ? [`${option}[${JSON.stringify(key)}]`] : [],
    );
  });
  const { admins, ...others } = wanted;
  const options = existing.admins === undefined ? { ...others, admins } : others;
  return {
    remove: [...(existing.host === undefined ? [] : ["host"]), ...both],
    set: Object.entries(options).flatMap(([option, value]) => [...leaves(option, value)]),
  };
}

/** Options that say something, of those that the engine hands over: it has an empty value for each that it knows. */
export function optionsSet(raw: Options): string[] {
  return Object.keys(raw).filter((option) => {
    const value = raw[option];
    return !(isMap(value) && Object.keys(value).length === 0);
  });
}

/** Options as the program gets them. */
export function withSecretsInClear(options: Options): RawConfig {
  const encrypted = new Set<string>();
  const reveal = (option: string, value: unknown): unknown => {
    if (value instanceof Secret) {
      encrypted.add(option);
      return value.reveal();
    }
    if (!isMap(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, reveal(option, item)]));
  };
  const raw = Object.fromEntries(
    Object.entries(options).map(([option, value]) => [option, reveal(option, value)]),
  );
  return { raw, encrypted };
}

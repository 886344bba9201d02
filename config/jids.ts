import { z } from "zod";
import { parseAccount, parseJid } from "./jid";
import { isMap, list } from "./parts";
import { accepting, attempt, parsing, Refused, refuse, whenMap } from "./refused";
import { Secret } from "./secret";
import type { Account } from "./settings";
import { prepare } from "./stringprep";

const passwordHelp = "give the password as a text (quote a number), or nothing if the account must not exist";

/** What people write for "no password", and `pulumi config set` stores as a text. */
const nothings = ["null", "none", "nil", "~", "undefined", "false"];

/**
 * @throws Refused when Prosody or a client could not use the password
 */
function parsePassword(text: string): Secret | undefined {
  if (text === "") return undefined;
  if (nothings.includes(text.toLowerCase()))
    throw new Refused(
      "this word for nothing is no password; an account that must not exist has an empty value, in the stack config by pulumi config set --path 'jids[\"JID\"]' ''",
    );
  if (/[\r\n]$/.test(text))
    throw new Refused(
      "the password ends with a line break; set it anew without one (printf instead of echo)",
    );
  if (/\p{Cc}/u.test(text))
    throw new Refused("the password has a control character, which SASLprep (RFC 4013) forbids");
  const bytes = Buffer.byteLength(text);
  if (bytes > 1023) throw new Refused(`the password has ${bytes} bytes; give at most 1023`);
  if (!prepare(text))
    throw new Refused(
      "the password has characters that SASLprep (RFC 4013) forbids, so clients could not log in; choose another",
    );
  return new Secret(text);
}

const password = z
  .string(passwordHelp)
  .nullable()
  .transform(parsing((text) => parsePassword(text ?? "")))
  .meta({
    description: "The password; empty: the account must not exist.",
    secret: true,
    form: "secret, or empty",
  });

/** A password alone, or nothing, stands for a map with `password`. */
export const account = z.preprocess(
  (value) => (isMap(value) ? value : { password: value }),
  z.strictObject({
    password,
    policy: z.enum(["initial", "enforced"], "give initial or enforced").prefault("initial").meta({
      description:
        "`initial`: the password is set when the account is made, and is the user's own from then on. `enforced`: another password on the host is drift, and is set back.",
      secret: false,
    }),
  }),
);

/** The accounts. @param domains the virtual hosts that are written well */
export const jids = (domains: readonly string[]) =>
  z
    .record(z.string().superRefine(accepting((jid) => parseAccount(jid, domains))), account, {
      error: "give a map from each JID to its password",
    })
    .superRefine((record, ctx) => {
      const seen = new Map<string, string>();
      for (const written of Object.keys(record)) {
        const jid = attempt(() => parseJid(written));
        const twin = jid && seen.get(jid);
        if (twin) refuse(ctx, `this is the same account as ${twin}; keep one of them`, [written]);
        else if (jid) seen.set(jid, written);
      }
    }, whenMap)
    .transform((record) =>
      Object.entries(record).map(
        ([jid, { password, policy }]): Account => ({ jid: parseJid(jid), password, policy }),
      ),
    )
    .prefault({})
    .meta({
      description:
        "The accounts. A password, or a map with `password` and `policy`; an empty value (`null`) says that the account must not exist. One that is taken out of this list is deleted, too, after an archive of its data; accounts that never stood here are left alone.",
      secret: true,
      form: "map from JID to password",
      example: `jids:
  alice@example.com: { secure: v1:… }
  bob@example.com: { password: { secure: v1:… }, policy: enforced }
  mallory@example.com: null`,
    });

const adminHelp = "give a JID such as alice@example.com, or a list of them";

/** The server's administrators, who may have accounts elsewhere. */
export const admins = () =>
  list(z.string(adminHelp).transform(parsing(parseJid)), adminHelp)
    .transform((jids) => [...new Set(jids)])
    .prefault([])
    .meta({
      description: "Bare JIDs of the administrators of the server. They may be accounts of other servers.",
      form: "JID, or a list of them",
      example: "admins: [alice@example.com]",
    });

/** JIDs of the accounts that must not exist, from checked accounts or from a map with problems elsewhere. */
export function absentAccounts(jids: unknown): string[] {
  if (Array.isArray(jids))
    return (jids as Account[]).filter(({ password }) => password === undefined).map(({ jid }) => jid);
  return Object.entries(isMap(jids) ? jids : {}).flatMap(([written, account]) => {
    const jid = attempt(() => parseJid(written));
    return jid && isMap(account) && "password" in account && account.password === undefined ? [jid] : [];
  });
}

import { renderUnicodeCompact } from "uqr";
import { unicodeDomain } from "../config/domain-name";
import { parseAccount } from "../config/jid";
import { luaString } from "../providers/lua";

/** For whom an invitation is: an account's name, or `undefined` where the invited person chooses one. */
interface Invited {
  name: string | undefined;
  /** The virtual host, as the stack config has it. */
  domain: string;
}

/**
 * Reads the command's argument: a bare JID, a virtual host, or nothing where there is one virtual host.
 * @throws Error that says what is allowed
 */
export function invited(text: string | undefined, domains: readonly string[]): Invited {
  if (text?.includes("@")) {
    const jid = parseAccount(text, domains);
    const at = jid.indexOf("@");
    return { name: jid.slice(0, at), domain: jid.slice(at + 1) };
  }
  const domain = text ?? (domains.length === 1 ? domains[0]! : "");
  if (domains.includes(domain)) return { name: undefined, domain };
  throw new Error(
    `${text === undefined ? "The server has several virtual hosts" : `${text} is no virtual host of the server`}: ` +
      `give a bare JID on one of ${domains.join(", ")}, or one of these alone.`,
  );
}

/** The links of one invitation. */
export interface Links {
  /** A web page that explains it; `undefined` where the server has none. */
  page: string | undefined;
  /** For apps (XEP-0445). */
  uri: string;
}

/**
 * Lua that makes an invitation in the running server (mod_invites), for {@link linksIn}.
 * @param days for which the invitation can be used
 */
export function invitationCode({ name, domain }: Invited, days: number): string {
  const host = luaString(unicodeDomain(domain));
  const user = name === undefined ? "nil" : luaString(name);
  return [
    `local host, user = ${host}, ${user}`,
    `local modules = require "core.modulemanager"`,
    `local invites = modules.get_module(host, "invites")`,
    `assert(invites and modules.get_module(host, "invites_register"), "invites and invites_register are not loaded: take them out of prosody:disabledModules, or add them to prosody:modules")`,
    `assert(not user or not require "core.usermanager".user_exists(user, host), "there is such an account already")`,
    `local made = assert(invites.create_account(user, nil, ${days * 86_400}))`,
    `return made.uri .. " " .. (made.landing_page or "")`,
  ].join(" ");
}

/** What {@link invitationCode} returned. */
export function linksIn(answer: string): Links {
  const [uri = "", page] = answer.trim().split(" ");
  return { page, uri };
}

/** What the inviting person reads and hands on. */
export function invitationText({ name, domain }: Invited, { page, uri }: Links, days: number): string {
  const what =
    name === undefined ? `an account of their choice at ${domain}` : `the account ${name}@${domain}`;
  const link = page ?? uri;
  const how =
    page === undefined
      ? `They install an app for XMPP (Conversations on Android, Monal on iPhone, Gajim on a computer), open the
link or scan the code, and choose a password.`
      : `The page says how to go on, in an app or in the browser. For an app that is installed already:

  ${uri}
`;
  return `One person can make ${what} with this, once, within ${days} ${days === 1 ? "day" : "days"}:

  ${link}

${renderUnicodeCompact(link, { border: 2 })}

${how}
Whoever has the link can use it: send it by a way that you trust.
`;
}

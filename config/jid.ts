import { parseDomain } from "./domain-name";
import { Refused } from "./refused";
import { prepare } from "./stringprep";

/**
 * A bare JID, normalised: the localpart in lower case (RFC 7622, UsernameCaseMapped), the domain as
 * {@link parseDomain} has it. Only localparts that Prosody's Nodeprep (RFC 6122) maps to the same text are taken,
 * since otherwise an account would be stored under another name than the one written here.
 * @throws Refused
 */
export function parseJid(text: string): string {
  const scheme = /^(xmpp|mailto|sips?):/i.exec(text)?.[0];
  if (scheme) throw new Refused(`leave out ${scheme}; give the address alone, such as alice@example.com`);
  if (text !== text.trim()) throw new Refused("leave out the spaces at the ends");
  const at = text.indexOf("@");
  if (at < 0) throw new Refused("this is no JID; give name@domain, such as alice@example.com");
  const [local, domain] = [text.slice(0, at), text.slice(at + 1)];
  if (local === "") throw new Refused("the name before the @ is missing");
  if (domain === "") throw new Refused("the domain after the @ is missing");
  if (domain.includes("/")) throw new Refused("leave out the resource: a slash and what follows it");
  return `${parseLocal(local)}@${parseHost(domain)}`;
}

/**
 * The bare JID of an account, which has to be on a virtual host of this server.
 * @throws Refused
 */
export function parseAccount(text: string, domains: readonly string[]): string {
  const jid = parseJid(text);
  const domain = jid.slice(jid.indexOf("@") + 1);
  if (domains.includes(domain) || domains.length === 0) return jid; // without domains that is the problem to report
  const whole = domains.find((name) => name.startsWith(`${domain}.`));
  const fix = whole
    ? `where --path has no quotes, a dot ends the name: remove this one, and set 'jids["${jid}${whole.slice(domain.length)}"]'`
    : "correct it, or add it to prosody:domains";
  throw new Refused(`${domain} is no virtual host of this server (${domains.join(", ")}); ${fix}`);
}

function parseHost(text: string): string {
  if (text.includes("@")) throw new Refused("a JID has one @");
  try {
    return parseDomain(text);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw new Refused(`after the @: ${error.message}`);
  }
}

function parseLocal(text: string): string {
  const forbidden = /["&'/:<>\s]/u.exec(text)?.[0];
  if (forbidden)
    throw new Refused(
      /\s/.test(forbidden)
        ? "a name has no spaces (RFC 7622)"
        : `a name can't have the character ${forbidden} (RFC 7622 forbids " & ' / : < > @)`,
    );
  // SASLprep shares Nodeprep's tables (RFC 3454) of unassigned and prohibited characters and of directions.
  const name = text.normalize("NFKC").toLowerCase().normalize("NFKC");
  if (
    !/^[\p{L}\p{M}\p{N}!-~]+$/u.test(name) ||
    /["&'/:<>@]/.test(name) ||
    prepare(text) === undefined ||
    prepare(name) !== name
  )
    throw new Refused("a name has letters, digits and ASCII punctuation only (RFC 7622, IdentifierClass)");
  if (name.toUpperCase().toLowerCase().normalize("NFKC") !== name || name.includes("ς"))
    throw new Refused(
      "XMPP implementations disagree how to fold one of these letters (such as ß or ς); write the name without it",
    );
  const bytes = Buffer.byteLength(name);
  if (bytes > 1023) throw new Refused(`a name has at most 1023 bytes, this has ${bytes}`);
  return name;
}

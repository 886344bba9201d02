import { z } from "zod";
import { list } from "./parts";
import { parsing, Refused } from "./refused";

const help = "give an address such as mailto:abuse@example.com, or a list of them";

/** @throws Refused */
function parseContact(text: string): string {
  if (/[\s<>"]/.test(text)) throw new Refused("an address has no spaces, quotes or angle brackets");
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  if (!scheme && text.includes("@")) throw new Refused("put mailto: or xmpp: before the address");
  if (!scheme || !["mailto", "xmpp", "https", "tel", "sip", "sips"].includes(scheme))
    throw new Refused("an address begins with mailto:, xmpp: or https: (XEP-0157)");
  if (["mailto", "xmpp"].includes(scheme) && !/^[^@]+@[^@]+$/.test(text.slice(scheme.length + 1)))
    throw new Refused(`after ${scheme}: goes name@domain`);
  if (scheme === "https" && !URL.canParse(text)) throw new Refused("this is no URL; give https://host/path");
  return `${scheme}${text.slice(scheme.length)}`;
}

const addresses = (description: string, otherwise = "none") =>
  list(z.string(help).transform(parsing(parseContact)), help)
    .optional()
    .meta({ description, otherwise, form: "URI, or a list of them" });

export const contacts = () =>
  z
    .strictObject(
      {
        abuse: addresses(
          "Where to report abuse.",
          "the administrators, as `xmpp:` URIs; without any, `mailto:postmaster@` the first domain (RFC 5321, 4.5.1)",
        ),
        admin: addresses("The administrators."),
        support: addresses("Help for users."),
        security: addresses("Where to report a vulnerability."),
      },
      "give a map with abuse, admin, support and security",
    )
    .prefault({})
    .meta({
      description: "Addresses that the server shows to everybody (XEP-0157).",
      form: "map",
      example: "contacts: { abuse: 'mailto:abuse@example.com' }",
    });

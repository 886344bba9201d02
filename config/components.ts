import { isIP } from "node:net";
import { z } from "zod";
import { parseDomain, parseSubdomain } from "./domain-name";
import { isMap, list, secret } from "./parts";
import { accepting, attempt, parsing, Refused, refuse, whenMap } from "./refused";
import type { Secret } from "./secret";
import type { ExternalComponent, LuaValue } from "./settings";

const secretHelp = "give the secret that the component shows, as a text (quote a number)";
const componentHelp = "give its secret, or a map with secret and domains";
const overrideHelp = "give the secret for this virtual host, or false for none";

/** XEP-0114 puts the secret into no stanza, so that any text will do, but components read it from a line of a file. */
const componentSecret = () =>
  secret(secretHelp).superRefine((given, ctx) => {
    if (/\p{Cc}/u.test(given.reveal()))
      refuse(ctx, "the secret has a control character, such as a line break; set it anew without one");
  });

const override = z
  .preprocess(
    (value) => (isMap(value) ? value.secret : value === "false" ? false : value),
    z.union([z.literal(false), componentSecret()], overrideHelp),
  )
  .meta({ secret: true, form: "secret, or `false`" });

/** A secret alone stands for a map with it. */
const component = (domains: readonly string[]) =>
  z.preprocess(
    (value) => (isMap(value) ? value : { secret: value }),
    z
      .strictObject(
        {
          secret: componentSecret().optional().meta({
            description: "Its secret on every virtual host that `domains` does not name.",
            secret: true,
            form: "secret",
            otherwise: "none: it is on the virtual hosts of `domains` alone",
          }),
          domains: z
            .record(z.string().superRefine(accepting((name) => knownDomain(name, domains))), override, {
              error: "give a map from virtual host to its secret, or false",
            })
            .prefault({})
            .meta({
              description: "Virtual host → a secret of its own there, or `false` for none of this component.",
              form: "map from virtual host to secret or `false`",
              secret: true,
            }),
        },
        componentHelp,
      )
      .superRefine((given, ctx) => {
        const overrides = isMap(given.domains) ? Object.values(given.domains) : [];
        if (given.secret === undefined && !overrides.some(Boolean)) refuse(ctx, secretHelp, ["secret"]);
      }, whenMap),
  );

/** @throws Refused */
function knownDomain(name: string, domains: readonly string[]): string {
  const domain = parseDomain(name);
  if (!domains.includes(domain)) throw new Refused("it is not among prosody:domains");
  return domain;
}

/** External components (XEP-0114): `<key>.<domain>` on every virtual host. */
export const components = (domains: readonly string[]) =>
  z
    .record(z.string().superRefine(accepting((key) => parseSubdomain(key, domains))), component(domains), {
      error: "give a map from subdomain to the secret of the component",
    })
    .superRefine((record, ctx) => {
      const seen = new Map<string, string>();
      for (const written of Object.keys(record)) {
        const key = attempt(() => parseSubdomain(written, domains));
        const twin = key && seen.get(key);
        if (twin) refuse(ctx, `this is the same subdomain as ${twin}; keep one of them`, [written]);
        else if (key) seen.set(key, written);
      }
    }, whenMap)
    .transform((record) =>
      Object.entries(record).flatMap(([key, given]) =>
        componentsOf(parseSubdomain(key, domains), given, domains),
      ),
    )
    .prefault({})
    .meta({
      description:
        "External components, which connect to `ports.components` by XEP-0114, such as gateways to other networks: one name below each virtual host. The value is the secret of the component, or a map with `secret` and `domains`.",
      secret: true,
      form: "map from subdomain to secret",
      example: `components:
  irc: { secure: v1:… }
  matrix:
    secret: { secure: v1:… }
    domains: { example.com: { secure: v1:… }, example.net: false }`,
    });

function componentsOf(
  subdomain: string,
  given: { secret?: Secret; domains: Record<string, Secret | false> },
  domains: readonly string[],
): ExternalComponent[] {
  const overrides = new Map(Object.entries(given.domains).map(([name, value]) => [parseDomain(name), value]));
  return domains.flatMap((domain) => {
    const own = overrides.has(domain) ? overrides.get(domain) : given.secret;
    return own ? [{ name: `${subdomain}.${domain}`, subdomain, domain, secret: own }] : [];
  });
}

const addressHelp = "give an IP address of the host, such as 127.0.0.1, or a list of them";

/** Where external components connect. */
export const componentInterfaces = () =>
  list(
    z.string(addressHelp).transform(
      parsing((text) => {
        if (!["*", "::"].includes(text) && isIP(text) === 0) throw new Refused(addressHelp);
        return text;
      }),
    ),
    addressHelp,
  )
    .transform((addresses) => [...new Set(addresses)])
    .prefault([])
    .meta({
      description:
        "Addresses of the host at which external components may connect to `ports.components`; `*` for all of IPv4, `::` for all of IPv6. XEP-0114 has no encryption: anything but the loopback interface belongs into a private network, and brings a warning.",
      form: "IP address, or a list of them",
      otherwise: "the loopback interface",
      example: "componentInterfaces: [127.0.0.1, 10.0.0.5]",
    });

/** True for an address that only the host itself reaches. */
export function isLoopback(address: LuaValue): boolean {
  return typeof address === "string" && /^(127\.|::1$|localhost$)/.test(address);
}

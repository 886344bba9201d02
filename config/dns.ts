import { isIP, isIPv4 } from "node:net";
import { z } from "zod";
import { parseDomain } from "./domain-name";
import { canonicalIPv6, parseAddress } from "./host-address";
import { flag, list, secret, whole } from "./parts";
import { accepting, attempt, parsing, Refused } from "./refused";

const help = "give a map with provider, address and more";
const addressHelp = "give a map with ipv4, ipv6 or both";
const nameServerHelp = "give the name server's host name or IP address, or a map with address and port";
const keyHelp = "give a map with name, algorithm and secret, as in the name server's configuration";
const zonesHelp =
  "give a map from each zone to its id, as in { example.com: 023e105f4ecef8ad9ca31a8372d0c353 }";
const caaHelp = "give the name by which an authority goes, such as letsencrypt.org, or a list of them";

/** Records in the Domain Name System. */
export const dns = () =>
  z
    .strictObject(
      {
        provider: z
          .enum(["none", "cloudflare", "rfc2136"], "give none, cloudflare or rfc2136")
          .optional()
          .meta({
            otherwise: "`none`",
            description:
              "Where the records are made: at Cloudflare, or on a name server that takes dynamic updates (RFC 2136: BIND, Knot, PowerDNS and others). `none`: you make them yourself, from the stack output `dnsZones`.",
          }),
        target: z.string("give a host name").transform(parsing(parseDomain)).optional().meta({
          description:
            "Name that SRV records and aliases point to. Its address records are made when it lies in one of the virtual hosts' domains and `address` is known.",
          form: "host name",
          otherwise:
            "`host.address` where that is a name that others know (not in `.lan`, `.local`, `.internal` and the like) and `address` is not given; else `xmpp.` and the virtual host",
          example: "target: chat.example.com",
        }),
        address: z
          .strictObject(
            {
              ipv4: z.string(addressHelp).transform(parsing(parseIPv4)).optional().meta({
                description: "IPv4 address that clients connect to.",
                form: "IPv4 address",
              }),
              ipv6: z.string(addressHelp).transform(parsing(parseIPv6)).optional().meta({
                description: "IPv6 address that clients connect to.",
                form: "IPv6 address",
              }),
            },
            addressHelp,
          )
          .optional()
          .meta({
            description: "The server's public addresses: a map with `ipv4`, `ipv6` or both.",
            form: "map",
            otherwise: "`turn.externalAddress`, and `host.address` where that is an IP address",
            example: "address: { ipv4: 203.0.113.5, ipv6: '2001:db8::5' }",
          }),
        ttl: whole(60, 86_400, "give seconds, a whole number from 60 to 86400").optional().meta({
          description: "Seconds for which resolvers keep a record.",
          otherwise: "`3600`; at Cloudflare, automatic",
        }),
        caa: list(z.string(caaHelp).superRefine(accepting(checkIssuer)), caaHelp)
          .prefault([])
          .meta({
            description:
              "The only authorities that may issue certificates for the virtual hosts and everything below them, web servers included (CAA, RFC 8659). Parameters such as an account's URI follow after a semicolon.",
            form: "authority, or a list of them",
            example: "caa: letsencrypt.org",
          }),
        tlsa: flag().prefault(false).meta({
          description:
            "Publish the public keys of the certificates (TLSA, RFC 7673). Good for something in zones signed with DNSSEC only; a certificate with another key is refused by those who look until the old record has expired.",
        }),
        takeOver: flag().prefault(false).meta({
          description:
            "Replace A, AAAA, CNAME and SRV records that are there already and say something else, or stand in each other's way: an alias (CNAME) goes where an address is to be, and the addresses of a name that is to be an alias. Otherwise they are an error that names them. (Only with `rfc2136`.)",
        }),
        zones: z
          .record(z.string().superRefine(accepting(parseDomain)), zoneId(), zonesHelp)
          .prefault({})
          .meta({
            description: "Cloudflare's id of each zone, from the zone's overview page.",
            form: "map from zone to id",
            otherwise: "none; needed by `cloudflare`",
            example: "zones: { example.com: 023e105f4ecef8ad9ca31a8372d0c353 }",
          }),
        apiToken: secret("give a token of Cloudflare with the permission to edit DNS, as a secret")
          .optional()
          .meta({
            description: "Cloudflare's API token, with the permission to edit DNS in these zones.",
            otherwise: "`cloudflare:apiToken`, or the environment variable `CLOUDFLARE_API_TOKEN`",
          }),
        nameServer: z
          .preprocess(
            (value) => (typeof value === "string" && value !== "" ? { address: value } : value),
            z.strictObject(
              {
                address: z.string(nameServerHelp).transform(parsing(parseAddress)),
                port: whole(1, 65_535, "give a port, a whole number from 1 to 65535").prefault(53),
              },
              nameServerHelp,
            ),
          )
          .optional()
          .meta({
            description:
              "The primary name server of the zones, reached over TCP from the machine that runs Pulumi: its address, or a map with `address` and `port` (53).",
            form: "host name or IP address, or a map",
            otherwise: "none; needed by `rfc2136`",
            example: "nameServer: ns1.example.com",
          }),
        key: z
          .strictObject(
            {
              name: z.string(keyHelp).transform(parsing(parseKeyName)),
              algorithm: z
                .enum(
                  ["hmac-sha256", "hmac-sha384", "hmac-sha512"],
                  "give hmac-sha256, hmac-sha384 or hmac-sha512",
                )
                .prefault("hmac-sha256"),
              secret: secret("give the key's secret in Base64, as a secret").superRefine(
                accepting((text) => checkBase64(text.reveal())),
              ),
            },
            keyHelp,
          )
          .optional()
          .meta({
            description:
              "The TSIG key (RFC 8945) that updates are signed with: a map with `name`, `algorithm` (`hmac-sha256`, `hmac-sha384` or `hmac-sha512`) and `secret`. `tsig-keygen NAME` makes one.",
            form: "map; `secret` is a secret",
            otherwise: "none; needed by `rfc2136`",
            example: "key: { name: prosody, algorithm: hmac-sha256, secret: { secure: v1:… } }",
          }),
      },
      help,
    )
    .prefault({})
    .meta({
      description: "The DNS records by which clients and other servers find this one.",
      form: "map",
      example: `dns:
  provider: rfc2136
  nameServer: ns1.example.com
  key: { name: prosody, secret: { secure: v1:… } }
  address: { ipv4: 203.0.113.5, ipv6: '2001:db8::5' }`,
    });

function parseIPv4(text: string): string {
  if (isIPv4(text)) return text;
  throw new Refused("this is no IPv4 address: four numbers from 0 to 255");
}

function parseIPv6(text: string): string {
  const bare = text.replace(/^\[(.*)\]$/, "$1");
  if (isIP(bare) === 6 && !bare.includes("%")) return canonicalIPv6(bare);
  throw new Refused("this is no IPv6 address; give something like 2001:db8::5");
}

/** A label, or several: names of keys are written like those of hosts (RFC 8945, 4.2), often with a dot at the end. */
function parseKeyName(text: string): string {
  const name = text.toLowerCase().replace(/\.$/, "");
  if (name.length < 250 && /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(name)) return name;
  throw new Refused(
    "a key's name has letters, digits, hyphens and dots, as in the name server's configuration",
  );
}

function checkBase64(text: string): void {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64").replace(/=+$/, "") !== text.trim().replace(/=+$/, "") || bytes.length < 8)
    throw new Refused(
      "this is no Base64 text; give what stands after secret in the name server's configuration",
    );
}

/** RFC 8659, 4.2: a domain, then parameters; empty parts and quotes can't stand in the record. */
function checkIssuer(text: string): void {
  const [issuer = "", ...parameters] = text.split(";").map((part) => part.trim());
  if (attempt(() => parseDomain(issuer)) === undefined) throw new Refused(caaHelp);
  const bad = parameters.find((part) => !/^[a-z0-9]+\s*=\s*[!#-:<-~]*$/i.test(part));
  if (bad !== undefined)
    throw new Refused(
      "after the authority stand parameters such as accounturi=https://…, separated by semicolons",
    );
}

function zoneId() {
  const message = "give the zone's id, 32 hexadecimal digits, from its overview page at Cloudflare";
  return z.string(message).regex(/^[0-9a-f]{32}$/, message);
}

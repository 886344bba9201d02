import { isIP } from "node:net";
import { z } from "zod";
import { parseDomain } from "./domain-name";
import { flag, isMap, list, switchable } from "./parts";
import { parsing, Refused, refuse } from "./refused";
import { subdomain } from "./services";
import type { Ports, TurnSettings } from "./settings";

const mapHelp = "give a map with enabled, subdomain, domain, externalAddress and relayPorts, or false";
const domainHelp = "give one of prosody:domains, such as example.com";
const addressHelp = "give the public IP address, such as 203.0.113.5";
const relayHelp = "give the first and the last port, such as 49152-65535";

/** STUN and TURN for calls. */
export const turn = (domains: readonly string[]) =>
  switchable(
    z.strictObject(
      {
        enabled: flag().optional().meta({
          description: "Whether coturn runs on the host and is offered to clients.",
          otherwise: "`true`, unless `ports.turn` and `ports.turnTls` are both `false`",
        }),
        subdomain: subdomain("turn", domains).meta({
          description:
            "What comes before `turn.domain`: the one name under which the clients of all virtual hosts find the server. TURN over TLS is offered when the certificate of that virtual host has this name, too.",
          form: "label",
          example: "subdomain: calls",
        }),
        domain: z
          .string(domainHelp)
          .transform(parsing((text) => parseVirtualHost(text, domains)))
          .optional()
          .meta({
            description:
              "The virtual host below which the server's name is. Give it before you add a virtual host that sorts before it, and the name stays where the DNS has it.",
            form: "virtual host",
            otherwise: "the first virtual host, by the alphabet",
            example: "domain: example.com",
          }),
        externalAddress: list(z.string(addressHelp).transform(parsing(parseExternal)), addressHelp)
          .superRefine((addresses, ctx) => {
            if (new Set(addresses.map(isIP)).size < addresses.length)
              refuse(ctx, "give one IPv4 address, one IPv6 address, or one of each");
          })
          .prefault([])
          .meta({
            description:
              "The public address of a host that has only a private one (NAT: most clouds, home networks); an IPv4 and an IPv6 address make a list. The NAT has to pass the ports on unchanged.",
            form: "IP address, or a list of them",
            example: "externalAddress: 203.0.113.5",
          }),
        relayPorts: z.string(relayHelp).transform(parsing(parseRange)).prefault("49152-65535").meta({
          description:
            "UDP ports through which calls are relayed, one per call and direction; they have to be reachable from everywhere.",
          form: "FIRST-LAST",
          example: "relayPorts: 50000-50999",
        }),
      },
      mapHelp,
    ),
  )
    .prefault({})
    .meta({
      description:
        "Voice and video calls through NAT: a STUN and TURN server (coturn) on the same host, of which clients learn with credentials of their own (XEP-0215).",
      form: "map, or `false`",
      example: "turn: { externalAddress: 203.0.113.5 }",
    });

/** @throws Refused */
function parseVirtualHost(text: string, domains: readonly string[]): string {
  const domain = parseDomain(text);
  if (domains.includes(domain) || domains.length === 0) return domain; // without domains that is the problem to report
  throw new Refused(`it is no virtual host of this server (${domains.join(", ")}); ${domainHelp}`);
}

/** @throws Refused */
function parseExternal(text: string): string {
  if (isIP(text) === 0)
    throw new Refused(
      /[a-z]/i.test(text) && !text.includes(":")
        ? `${addressHelp}; coturn needs the address itself, not a name`
        : addressHelp,
    );
  if (text.includes("%"))
    throw new Refused("an address with a zone is not public; leave out the % and what follows");
  return text;
}

/** @throws Refused */
function parseRange(text: string): TurnSettings["relayPorts"] {
  const match = /^([1-9]\d{0,4}) ?- ?([1-9]\d{0,4})$/.exec(text);
  if (!match) throw new Refused(relayHelp);
  const [from, to] = [Number(match[1]), Number(match[2])];
  if (from < 1024 || to > 65535) throw new Refused(`${relayHelp}, within 1024 to 65535`);
  if (to < from) throw new Refused("the first port comes first; exchange them");
  if (to - from < 9) throw new Refused("each call needs some of them; give at least ten ports");
  return { from, to };
}

/** Options of Prosody that name other servers for calls. */
const foreign = [
  "external_services",
  "external_service_secret",
  "turn_external_host",
  "turn_external_secret",
];

type Given = Partial<Record<"turn" | "ports" | "options", unknown>>;

/** TURN against ports and options; any of them may have problems of its own. */
export function checkTurn({ turn, ports, options }: Given, ctx: z.RefinementCtx): void {
  if (!isMap(turn) || turn.enabled === false) return;
  const off = isMap(ports) && ports.turn === false && ports.turnTls === false;
  if (off && turn.enabled === true)
    refuse(
      ctx,
      "it needs prosody:ports.turn or prosody:ports.turnTls, which are both false; give one of them",
      ["turn", "enabled"],
    );
  if (off) return;
  for (const name of foreign)
    if (isMap(options) && name in options)
      refuse(
        ctx,
        "prosody:turn sets it for coturn on this host; with prosody:turn false, other servers can be named here",
        ["options", name],
      );
  const relay = turn.relayPorts as Partial<TurnSettings["relayPorts"]> | undefined;
  if (!isMap(ports) || typeof relay?.from !== "number" || typeof relay.to !== "number") return;
  for (const [service, port] of Object.entries(ports))
    if (typeof port === "number" && port >= relay.from && port <= relay.to)
      refuse(
        ctx,
        `${port} is among prosody:turn.relayPorts (${relay.from}-${relay.to}); choose another port`,
        ["ports", service],
      );
}

/** Whether coturn runs. */
export function hasTurn(enabled: boolean | undefined, ports: Pick<Ports, "turn" | "turnTls">): boolean {
  return enabled !== false && (ports.turn !== false || ports.turnTls !== false);
}

/** The name in the DNS under which clients find the TURN server. */
export function turnHost({ subdomain, domain }: Pick<TurnSettings, "subdomain" | "domain">): string {
  return `${subdomain}.${domain}`;
}

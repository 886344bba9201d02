import { z } from "zod";
import { booleanOf, numberOf } from "./parts";
import { parsing, Refused, refuse, whenMap } from "./refused";
import type { Ports } from "./settings";

const help = "give a whole number from 1024 to 65535, or false to switch the port off";

/**
 * Prosody runs as its own user from the start (`User=prosody` in Debian's unit), so that it gets no port below 1024.
 * @throws Refused
 */
function parsePort(port: number | false, forward: (port: number) => string): number | false {
  if (port === false || (port >= 1024 && port <= 65535)) return port;
  if (port < 1 || port > 65535) throw new Refused(help);
  throw new Refused(
    `Prosody runs without root's rights and can't open a port below 1024; choose a higher one and ${forward(port)}`,
  );
}

const byHand = (port: number) =>
  `forward to it (firewall-cmd --add-forward-port=port=${port}:proto=tcp:toport=PORT)`;
const byOption = (port: number) =>
  port === 443 ? "let prosody:firewall.https443 lead port 443 to it" : byHand(port);

const port = (standard: number | false, description: string, forward = byHand) =>
  z
    .preprocess((value) => booleanOf(numberOf(value)), z.union([z.literal(false), z.int()], help))
    .transform(parsing((port) => parsePort(port, forward)))
    .prefault(standard)
    .meta({ description, form: "port (1024 to 65535) or `false`" });

/** @param sshPort where the host's sshd listens */
export const ports = (sshPort: number) =>
  z
    .strictObject(
      {
        clientStarttls: port(5222, "Clients, with STARTTLS (RFC 6120)."),
        clientDirectTls: port(5223, "Clients, TLS from the first byte (XEP-0368)."),
        server: port(5269, "Other servers, with STARTTLS (RFC 6120). `false` makes the server an island."),
        serverDirectTls: port(false, "Other servers, TLS from the first byte (XEP-0368); 5270 is usual."),
        https: port(5281, "HTTPS: uploads (XEP-0363) and web clients (RFC 7395).", byOption),
        proxy65: port(5000, "Proxy for file transfer between clients (XEP-0065)."),
        components: port(5347, "External components (XEP-0114), at `componentInterfaces`."),
        turn: port(3478, "Calls: STUN and TURN (RFC 8489, RFC 8656), over UDP and TCP; coturn."),
        turnTls: port(5349, "Calls: TURN over TLS and DTLS; coturn."),
      },
      "give a map from service to port",
    )
    .superRefine((given: Partial<Ports>, ctx) => {
      const owner = new Map<number, string>([[sshPort, "SSH's port (prosody:host.port)"]]);
      for (const [name, port] of Object.entries(given)) {
        if (typeof port !== "number") continue;
        const other = owner.get(port);
        if (other) refuse(ctx, `${port} is also ${other}; each needs a port of its own`, [name]);
        else owner.set(port, `the port of prosody:ports.${name}`);
      }
    }, whenMap)
    .prefault({})
    .meta({
      description:
        "TCP ports. `false` switches a port off everywhere. Ports below 1024 are out of Prosody's reach: it runs without root's rights.",
      form: "map",
      example: `ports:
  clientDirectTls: false
  https: 8443`,
    });

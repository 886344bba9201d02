import { type Check, Untested } from "../check";
import { byPort } from "../expected";
import { xml } from "../xmpp/library";
import { must } from "./help";

/** Other servers. */
export const federationChecks: Check[] = [
  {
    name: "Talking to another server",
    spec: "RFC 6120",
    option: "prosody:ports.server, DNS of both servers, and valid certificates",
    expect: byPort("server"),
    async run({ login, peer }) {
      if (!peer) throw new Untested("give one with --peer DOMAIN");
      const session = await login();
      const started = Date.now();
      await session.get(peer, xml("ping", "urn:xmpp:ping")).catch((error) => {
        const cameBack = error.name === "StanzaError" && !error.condition.startsWith("remote-server");
        must(cameBack, `${peer} is not reached: ${error.message}`);
      });
      return `${peer} in ${Date.now() - started} ms`;
    },
  },
];

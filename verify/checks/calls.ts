import type { Check, Context, Expectation } from "../check";
import type { Expected } from "../expected";
import { allocate, bind } from "../net/stun";
import { type Element, xml } from "../xmpp/library";
import { fail, must } from "./help";

const namespace = "urn:xmpp:extdisco:2";

/** What two clients need to call each other through firewalls. */
export const callChecks: Check[] = [
  {
    name: "External Service Discovery (STUN)",
    spec: "XEP-0215",
    suites: ["current"],
    option: "prosody:turn",
    expect: byTurn,
    async run(context) {
      const { host, port } = await service(context, "stun");
      const address = await context.network.names.address(host);
      return `seen as ${await bind(address, port)}`;
    },
  },
  {
    name: "External Service Discovery (TURN)",
    spec: "XEP-0215",
    suites: ["current"],
    option: "prosody:turn",
    expect: byTurn,
    async run(context) {
      const { host, port, username, password } = await service(context, "turn");
      must(username && password, "the server gives no credentials for it");
      const address = await context.network.names.address(host);
      return `relay ${await allocate(address, port, { username, password })}`;
    },
  },
];

function byTurn({ server }: Expected): Expectation {
  return server.turn.enabled ? "expected" : { off: "turn is off" };
}

async function service({ login }: Context, type: "stun" | "turn") {
  const session = await login();
  const answer = await session.get(session.domain, xml("services", namespace)).catch((error) => {
    if (error.name === "StanzaError")
      fail(`no ${type.toUpperCase()} server is announced (${error.condition})`);
    throw error;
  });
  const found: Element[] = answer.getChild("services")?.getChildren("service") ?? [];
  const match = found.find(({ attrs }) => attrs.type === type && (attrs.transport ?? "udp") === "udp");
  const { host, port, username, password } =
    match?.attrs ?? fail(`no ${type.toUpperCase()} server over UDP is announced`);
  return { host: host!, port: Number(port ?? 3478), username, password };
}

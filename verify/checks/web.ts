import type { Check, Context } from "../check";
import { all, byModule, byPort } from "../expected";
import { fetchHttps } from "../net/https";
import { fail, must } from "./help";

const websocketRel = "urn:xmpp:alt-connections:websocket";
const rels = [websocketRel, "urn:xmpp:alt-connections:xbosh"];

/** Web clients. */
export const webChecks: Check[] = [
  {
    name: "WebSocket",
    spec: "RFC 7395",
    option: "prosody:modules with websocket",
    expect: all(byPort("https"), byModule("websocket")),
    async run(context) {
      const { domain, server } = context.expected;
      const session = await context.loginOver({
        websocket: `wss://${domain}:${server.ports.https}/xmpp-websocket`,
      });
      await session.settle();
    },
  },
  {
    name: "Discovering Alternative Connection Methods (HTTP)",
    spec: "XEP-0156",
    suites: ["informational"],
    option: "prosody:modules with http_altconnect, and prosody:firewall.https443",
    expect: all(byPort("https"), byModule("http_altconnect")),
    async run(context) {
      const { base, note } = await webRoot(context);
      const json = await document(context, `${base}/.well-known/host-meta.json`);
      const links = (JSON.parse(json).links ?? []) as { rel: string; href: string }[];
      const xrd = await document(context, `${base}/.well-known/host-meta`);
      const ours = links.filter(({ rel }) => rels.includes(rel));
      must(ours.length > 0, "host-meta.json names no way for web clients");
      for (const { rel, href } of ours) {
        must(xrd.includes(href), `host-meta (XML) lacks ${href}`);
        if (rel === websocketRel) await (await context.loginOver({ websocket: href })).settle();
        else await bosh(context, href);
      }
      return `${ours.map(({ href }) => href).join(", ")}${note}`;
    },
  },
  {
    name: "Client in the browser",
    spec: "RFC 7395",
    option: "prosody:webClient",
    expect: all(byPort("https"), ({ server }) =>
      server.webClient ? "expected" : { off: "webClient is off" },
    ),
    accounts: 0,
    async run({ network, expected: { domain, server } }) {
      const page = `https://${domain}:${server.ports.https}/chat/`;
      const shown = await fetchHttps(network, "GET", page);
      must(shown.status === 200, `GET ${page} is answered ${shown.status}`);
      const program = / src="([^"]*converse[^"]*)"/.exec(shown.body.toString())?.[1];
      if (!program) fail(`${page} is something else`);
      const { status } = await fetchHttps(network, "GET", new URL(program, page).href);
      must(status === 200, `${program} is answered ${status}`);
      return page;
    },
  },
];

/** Where the domain's web pages are: port 443, else Prosody's own port, which web clients don't try by themselves. */
async function webRoot({ network, expected }: Context): Promise<{ base: string; note: string }> {
  const base = `https://${expected.domain}`;
  const answer = await fetchHttps(network, "GET", `${base}/.well-known/host-meta`).then(
    ({ status }) => String(status),
    ({ message }: Error) => message,
  );
  if (answer === "200") return { base, note: "" };
  must(
    !expected.server.firewall.https443,
    `${base} does not answer (${answer}), though firewall.https443 is true`,
  );
  return { base: `${base}:${expected.server.ports.https}`, note: "; not on port 443" };
}

/** A document that pages of any site may read (CORS). */
async function document({ network }: Context, url: string): Promise<string> {
  const { status, headers, body } = await fetchHttps(network, "GET", url, { origin: "https://web.example" });
  must(status === 200, `GET ${url} is answered ${status}`);
  must(headers["access-control-allow-origin"] === "*", `web pages may not read ${url} (CORS)`);
  return body.toString();
}

async function bosh({ network, expected }: Context, url: string): Promise<void> {
  const body = `<body xmlns='http://jabber.org/protocol/httpbind' to='${expected.unicode}' rid='1' wait='5' hold='1'/>`;
  const { status, body: answer } = await fetchHttps(network, "POST", url, {}, Buffer.from(body));
  if (status !== 200 || !answer.includes("sid=")) fail(`${url} is announced, but answers ${status}`);
}

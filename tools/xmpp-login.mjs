/**
 * Logs in to an XMPP server as a user's client would: STARTTLS, the certificate verified for the domain against
 * NODE_EXTRA_CA_CERTS, SCRAM. A process of its own, because Node.js reads extra authorities only at its start.
 *
 * Standard input: JSON {address, port, jid, password}; the password is nowhere else. Standard output: JSON
 * {jid, protocol} of the session, or {error}.
 */
import { client } from "@xmpp/client";

let input = "";
for await (const chunk of process.stdin) input += chunk;
const { address, port, jid, password } = JSON.parse(input);
const [username, domain] = jid.split("@");
// xmpp.js encodes SCRAM's first message, which has the user name, by btoa(): each character as one byte.
const { btoa } = globalThis;
globalThis.btoa = (text) => btoa(text.startsWith("n,,") ? Buffer.from(text).toString("latin1") : text);

const xmpp = client({ service: `xmpp://${address}:${port}`, domain, username, password, resource: "login" });
xmpp.timeout = 15_000;
xmpp.reconnect.stop();
const finished = new Promise((resolve) => {
  xmpp.on("error", (error) => resolve({ error: error.condition ?? error.message }));
  xmpp.on("online", (address) => {
    const { socket } = xmpp.socket;
    const protocol = socket.authorized === true ? socket.getProtocol() : "unverified";
    resolve({ jid: address.toString(), protocol });
  });
});
xmpp.start().catch(() => {}); // the error event has told
process.stdout.write(`${JSON.stringify(await finished)}\n`);
await xmpp.stop().catch(() => {});
process.exit(0);

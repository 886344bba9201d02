/**
 * An XMPP session that sends what it is told. Standard input: a line of JSON {address, port, jid, password}, then a
 * line of JSON per stanza, its XML as a string. Standard output: `online`, then a line of JSON per stanza received.
 */
import readline from "node:readline";
import { client } from "@xmpp/client";
import parse from "@xmpp/xml/lib/parse.js";

const lines = readline.createInterface({ input: process.stdin });
const next = lines[Symbol.asyncIterator]();
const { address, port, jid, password } = JSON.parse((await next.next()).value);
const [username, domain] = jid.split("@");
const say = (text) => process.stdout.write(`${text}\n`);
const xmpp = client({ service: `xmpp://${address}:${port}`, domain, username, password, resource: "test" });
xmpp.reconnect.stop();
xmpp.timeout = 15_000;
xmpp.on("error", () => undefined);
await xmpp.start().then(
  () => say("online"),
  (error) => {
    say(error.condition ?? error.message);
    process.exit(1);
  },
);
xmpp.on("stanza", (stanza) => say(JSON.stringify(stanza.toString())));
for (;;) {
  const { value, done } = await next.next();
  if (done) break;
  await xmpp.send(parse(JSON.parse(value)));
}
await xmpp.stop();
process.exit(0);

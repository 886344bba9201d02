/**
 * Holds one XMPP session open until standard input ends; then asks the server for a sign of life (XEP-0199).
 * Standard input: a line of JSON {address, port, jid, password}. Standard output: `online`, then `alive` or the
 * reason why the session was lost. It never reconnects.
 */
import readline from "node:readline";
import { client, xml } from "@xmpp/client";

const lines = readline.createInterface({ input: process.stdin });
const { value } = await lines[Symbol.asyncIterator]().next();
const { address, port, jid, password } = JSON.parse(value);
const [username, domain] = jid.split("@");
// xmpp.js encodes SCRAM's first message, which has the user name, by btoa(): each character as one byte.
const { btoa } = globalThis;
globalThis.btoa = (text) => btoa(text.startsWith("n,,") ? Buffer.from(text).toString("latin1") : text);

const say = (text) => process.stdout.write(`${text}\n`);
let lost;
const xmpp = client({ service: `xmpp://${address}:${port}`, domain, username, password });
xmpp.reconnect.stop();
// Its 2 s for each step of a login are short on a busy machine.
xmpp.timeout = 15_000;
xmpp.on("error", (error) => {
  lost ??= error.condition ?? error.message;
});
xmpp.on("disconnect", () => {
  lost ??= "disconnected";
});
xmpp.on("online", () => say("online"));
xmpp.start().catch((error) => say(error.condition ?? error.message));
lines.on("close", async () => {
  if (lost) say(lost);
  else {
    const ping = xml("iq", { type: "get", to: domain }, xml("ping", "urn:xmpp:ping"));
    await xmpp.iqCaller.request(ping, 5000).then(
      () => say("alive"),
      (error) => say(lost ?? error.message),
    );
  }
  process.exit(0);
});

import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Check } from "../check";
import { byService } from "../expected";
import { fetchHttps } from "../net/https";
import { connectSocks5 } from "../net/socks5";
import { xml } from "../xmpp/library";
import type { Session } from "../xmpp/session";
import { fail, formFields, infoOf, must, mustAnnounce, refusal } from "./help";

const upload = "urn:xmpp:http:upload:0";

/** Files, over HTTPS and from client to client. */
export const fileChecks: Check[] = [
  {
    name: "HTTP File Upload",
    spec: "XEP-0363",
    suites: ["classic", "current"],
    option: "prosody:upload",
    expect: byService("upload"),
    async run({ login, expected, network, tag }) {
      const session = await login();
      const service = expected.upload!;
      const forms = (await infoOf(session, service)).getChildren("x", "jabber:x:data").map(formFields);
      const limit = Number(forms.find((fields) => fields["max-file-size"])?.["max-file-size"]?.[0]);
      const { maxBytes } = expected.server.upload;
      must(limit === maxBytes, `the server takes ${limit} bytes, not ${maxBytes}`);
      const file = randomBytes(Math.min(70_001, maxBytes));
      const slot = await slotFor(session, service, `${tag}.bin`, file.length);
      const put = await fetchHttps(network, "PUT", slot.put, slot.headers, file);
      must(put.status === 201, `PUT ${slot.put} is answered ${put.status}`);
      const got = await fetchHttps(network, "GET", slot.get);
      must(got.status === 200, `GET ${slot.get} is answered ${got.status}`);
      must(got.body.equals(file), "the file comes back with other bytes");
      const why = await refusal(
        slotFor(session, service, "big.bin", maxBytes + 1),
        "a file beyond the limit is taken",
      );
      must(why === "not-acceptable", `a file beyond the limit is answered ${why}`);
      return `up to ${maxBytes} bytes`;
    },
  },
  {
    name: "HTTP File Upload from web pages (CORS)",
    spec: "XEP-0363",
    option: "prosody:upload",
    expect: byService("upload"),
    async run({ login, expected, network, tag }) {
      const session = await login();
      const slot = await slotFor(session, expected.upload!, `${tag}.png`, 1234);
      const origin = "https://web.example";
      const { status, headers } = await fetchHttps(network, "OPTIONS", slot.put, {
        origin,
        "access-control-request-method": "PUT",
        "access-control-request-headers": "authorization",
      });
      must(status < 300, `OPTIONS is answered ${status}`);
      const allowed = headers["access-control-allow-origin"];
      must(
        allowed === "*" || allowed === origin,
        `pages of other sites are answered ${allowed ?? "nothing"}`,
      );
      must(String(headers["access-control-allow-methods"]).includes("PUT"), "web pages may not use PUT");
    },
  },
  {
    name: "SOCKS5 Bytestreams (Proxy)",
    spec: "XEP-0065",
    suites: ["classic", "current"],
    option: "prosody:proxy65, and a way to its port",
    expect: byService("proxy"),
    accounts: 2,
    async run({ login, expected, network }) {
      const [sender, receiver] = await Promise.all([login(0), login(1)]);
      const bytestreams = "http://jabber.org/protocol/bytestreams";
      const proxy = expected.proxy!;
      await mustAnnounce(sender, proxy, bytestreams);
      const answer = await sender.get(proxy, xml("query", bytestreams));
      const { host, port } =
        answer.getChild("query")?.getChild("streamhost")?.attrs ?? fail("the proxy does not say where it is");
      const sid = randomBytes(6).toString("hex");
      const destination = createHash("sha1")
        .update(sid + sender.jid + receiver.jid)
        .digest("hex");
      const connect = () => connectSocks5(network, host!, Number(port), destination);
      const from = await connect();
      const to = await connect();
      try {
        await sender.set(proxy, xml("query", { xmlns: bytestreams, sid }, xml("activate", {}, receiver.jid)));
        const file = randomBytes(64 * 1024);
        let received = Buffer.alloc(0);
        to.on("data", (chunk) => {
          received = Buffer.concat([received, chunk]);
          if (received.length >= file.length) to.emit("complete");
        });
        const complete = once(to, "complete", { signal: AbortSignal.timeout(5000) });
        from.end(file); // as who sends a file does: Prosody may keep the last 4 KiB back until then
        await complete.catch(() => fail(`${received.length} of ${file.length} bytes arrive`));
        must(received.equals(file), "other bytes arrive");
      } finally {
        from.destroy();
        to.destroy();
      }
      return `${host}:${port}`;
    },
  },
];

/** @throws Error when the server gives no slot; then its name is `StanzaError` */
async function slotFor(session: Session, service: string, filename: string, size: number) {
  const request = xml("request", {
    xmlns: upload,
    filename,
    size: String(size),
    "content-type": "application/octet-stream",
  });
  const slot =
    (await session.get(service, request)).getChild("slot", upload) ?? fail("the answer has no slot");
  const put = slot.getChild("put") ?? fail("there is no URL for PUT");
  const headers = Object.fromEntries(
    put.getChildren("header").map((header) => [header.attrs.name!, header.text()]),
  );
  return {
    put: put.attrs.url!,
    get: slot.getChild("get")?.attrs.url ?? fail("there is no URL for GET"),
    headers,
  };
}

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { domain, server } from "../fixtures/server";
import { eachProsody } from "../helpers/distribution";
import { RenderedProsody } from "../helpers/prosody";
import { RawXmpp } from "../helpers/raw-xmpp";

const admin = "alice@example.test";
const user = "bob@example.test";
const stranger = "carol@xn--bcher-kva.test";
const domains = [domain("example.test"), domain("xn--bcher-kva.test")];

describe.each(eachProsody)("the default server on Prosody %s", (release, host) => {
  let prosody: RenderedProsody;

  const open = (name: string) => RawXmpp.open(prosody.host.address, prosody.tls.caFile, name);
  const logIn = (jid: string) => RawXmpp.logIn(prosody.host.address, prosody.tls.caFile, jid);

  /** Over HTTPS with a verified certificate, wherever DNS points the name. */
  function fetch(method: string, url: string, headers: Record<string, string> = {}, body?: Buffer) {
    const { hostname, port, pathname } = new URL(url);
    return new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>(
      (resolve, reject) => {
        const call = request(
          {
            method,
            host: prosody.host.address,
            servername: hostname,
            port,
            path: pathname,
            ca: readFileSync(prosody.tls.caFile),
            headers: {
              host: hostname,
              ...headers,
              ...(body ? { "content-length": String(body.length) } : {}),
            },
          },
          (answer) => {
            const chunks: Buffer[] = [];
            answer.on("data", (chunk: Buffer) => chunks.push(chunk));
            answer.on("end", () =>
              resolve({
                status: answer.statusCode ?? 0,
                headers: answer.headers,
                body: Buffer.concat(chunks),
              }),
            );
          },
        );
        call.on("upgrade", (answer, socket) => {
          socket.destroy();
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.alloc(0) });
        });
        call.on("error", reject).end(body);
      },
    );
  }

  beforeAll(async () => {
    prosody = await RenderedProsody.make("default", host);
    await prosody.start(server());
    await prosody.addAccount(admin);
    await prosody.addAccount(user);
  }, 300_000);

  test("lets nobody make an account without an invitation", async () => {
    const xmpp = await open("example.test");
    const form = "<username>mallory</username><password>pw</password>";
    const answer = await xmpp.ask(
      `<iq type='set' id='r' to='example.test'><query xmlns='jabber:iq:register'>${form}</query></iq>`,
      /<iq [^>]*>.*?<\/iq>/,
    );
    xmpp.close();
    expect(answer).toMatch(/^<iq [^>]*type='error'/);
    expect(await prosody.host.exec("ls /var/lib/prosody/*/accounts")).not.toContain("mallory");
  });

  const uploadSlot = (xmpp: RawXmpp, size: number) =>
    xmpp.ask(
      `<iq type='get' id='s' to='upload.example.test'><request xmlns='urn:xmpp:http:upload:0' ` +
        `filename='a b.bin' size='${size}' content-type='application/octet-stream'/></iq>`,
      /<iq [^>]*id='s'.*?<\/iq>/,
    );

  test("takes an upload far beyond Prosody's own limit of HTTP requests, and gives it back", async () => {
    const file = randomBytes(32 * 1024 * 1024);
    const xmpp = await logIn(user);
    const slot = await uploadSlot(xmpp, file.length);
    xmpp.close();
    const url = (name: string) => new RegExp(`<${name} url='([^']+)'`).exec(slot)?.[1] ?? "";
    const authorization = /<header name='Authorization'>([^<]+)</.exec(slot)?.[1] ?? "";
    expect(url("put")).toMatch(/^https:\/\/upload\.example\.test:5281\//);
    expect((await fetch("PUT", url("put"), { authorization }, file)).status).toBe(201);
    const { status, body } = await fetch("GET", url("get"));
    expect({ status, same: body.equals(file) }).toEqual({ status: 200, same: true });
  }, 60_000);

  test("refuses an upload beyond the limit of the stack config", async () => {
    const xmpp = await logIn(user);
    expect(await uploadSlot(xmpp, 104857601)).toMatch(/<file-too-large.*104857600/);
    xmpp.close();
  });

  test("takes web clients over WebSocket, and on 13.0 tells them where", async () => {
    const handshake = {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": randomBytes(16).toString("base64"),
      "sec-websocket-protocol": "xmpp",
    };
    expect((await fetch("GET", "https://example.test:5281/xmpp-websocket", handshake)).status).toBe(101);
    const meta = await fetch("GET", "https://example.test:5281/.well-known/host-meta.json");
    if (release === "0.12") expect(meta.status).toBe(404);
    else {
      expect(meta.headers["access-control-allow-origin"]).toBe("*");
      expect(JSON.parse(meta.body.toString())).toEqual({
        links: [
          { rel: "urn:xmpp:alt-connections:websocket", href: "wss://example.test:5281/xmpp-websocket" },
        ],
      });
    }
  });

  test("without ports for other servers, a message to one fails at once", async () => {
    await prosody.start(server({ ports: { ...server().ports, server: false, serverDirectTls: false } }));
    await prosody.addAccount(user);
    const xmpp = await logIn(user);
    const answer = await xmpp.ask(
      "<message to='someone@elsewhere.test' type='chat' id='m'><body>hi</body></message>",
      /<message [^>]*type='error'.*?<\/message>/,
    );
    xmpp.close();
    expect(answer).toContain("Communication with remote domains is not enabled");
  }, 60_000);

  test.each([
    ["everyone", { [admin]: true, [user]: true, [stranger]: true }],
    ["local", { [admin]: true, [user]: true, [stranger]: false }],
    ["admins", { [admin]: true, [user]: false, [stranger]: false }],
  ] as const)(
    "creators: %s",
    async (creators, allowed) => {
      await prosody.start(server({ domains, conference: { ...server().conference, creators } }));
      const created: Record<string, boolean> = {};
      for (const jid of Object.keys(allowed)) {
        const account = jid.replace("xn--bcher-kva", "bücher");
        await prosody.addAccount(account);
        const xmpp = await logIn(account);
        const answer = await xmpp.ask(
          `<presence to='${jid.split("@")[0]}-room@conference.example.test/me'>` +
            "<x xmlns='http://jabber.org/protocol/muc'/></presence>",
          /<status code='201'|type='error'.*?<\/presence>/,
        );
        xmpp.close();
        created[jid] = answer.startsWith("<status");
        if (!created[jid]) expect(answer).toContain("<not-allowed");
      }
      expect(created).toEqual(allowed);
    },
    60_000,
  );

  test("metrics are for the host itself and for those who are named, and for nobody else", async () => {
    const metrics = { enabled: true, addresses: [] as string[], network: undefined };
    const scrape = () => fetch("GET", "https://example.test:5281/metrics");
    await prosody.start(server({ metrics }));
    expect((await scrape()).status).toBe(403);
    const atHome =
      "printf 'GET /metrics HTTP/1.1\\r\\nHost: example.test\\r\\nConnection: close\\r\\n\\r\\n' | " +
      "openssl s_client -quiet -connect 127.0.0.1:5281 -servername example.test 2>/dev/null || true";
    expect(await prosody.host.exec(atHome)).toMatch(/^HTTP\/1\.1 200 /);

    const from = (await prosody.host.exec("echo $SSH_CLIENT")).split(" ")[0]!;
    await prosody.start(server({ metrics: { ...metrics, addresses: [from] } }));
    const { status, headers, body } = await scrape();
    expect({ status, type: headers["content-type"] }).toEqual({
      status: 200,
      type: expect.stringMatching(/^application\/openmetrics-text/),
    });
    expect(body.toString()).toMatch(
      /^prosody_mod_c2s__connections_total|^# TYPE prosody_mod_c2s__connections /m,
    );
    expect(body.toString()).toMatch(/# EOF\n$/);
  }, 60_000);
});

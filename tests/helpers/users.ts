import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import https from "node:https";
import path from "node:path";
import readline from "node:readline";

interface XmppServer {
  address: string;
  port: number;
  caFile: string;
}

/** A client that sends stanzas and sees what comes back, as XML. */
export class Client {
  readonly #child;
  readonly #received: string[] = [];
  readonly #lines: readline.Interface;

  private constructor(
    server: XmppServer,
    readonly jid: string,
    password: string,
  ) {
    this.#child = spawn(process.execPath, [path.join(__dirname, "xmpp-client.mjs")], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: server.caFile },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#lines = readline.createInterface({ input: this.#child.stdout });
    this.#child.stdin.write(`${JSON.stringify({ ...server, jid, password })}\n`);
  }

  static async open(server: XmppServer, jid: string, password: string): Promise<Client> {
    const client = new Client(server, jid, password);
    const [first] = await once(client.#lines, "line");
    if (first !== "online") throw new Error(`${jid} can't log in: ${first}`);
    client.#lines.on("line", (line) => client.#received.push(inOrder(JSON.parse(line))));
    return client;
  }

  send(xml: string): void {
    this.#child.stdin.write(`${JSON.stringify(xml)}\n`);
  }

  /** The first stanza that matches, of those received since `from`. */
  async see(pattern: RegExp, from = 0): Promise<string> {
    for (;;) {
      const found = this.#received.slice(from).find((stanza) => pattern.test(stanza));
      if (found !== undefined) return found;
      await Promise.race([
        once(this.#lines, "line"),
        new Promise((_resolve, reject) => {
          const text = `${this.jid}: no ${pattern} in 15 s; received:\n${this.#received.slice(from).join("\n")}`;
          setTimeout(() => reject(new Error(text)), 15_000).unref();
        }),
      ]);
    }
  }

  #queries = 0;

  /** Asks by an iq; the answer, and what came before it. An error is an answer. */
  async ask(type: "get" | "set", to: string | undefined, xml: string): Promise<[string, string[]]> {
    const id = `query-${++this.#queries}`;
    const from = this.#received.length;
    this.send(`<iq type="${type}" id="${id}"${to ? ` to="${to}"` : ""}>${xml}</iq>`);
    const answer = await this.see(new RegExp(`^<iq [^>]*id="${id}"`), from);
    return [answer, this.#received.slice(from, this.#received.indexOf(answer))];
  }

  async must(type: "get" | "set", to: string | undefined, xml: string): Promise<string> {
    const [answer] = await this.ask(type, to, xml);
    if (!answer.includes('type="result"')) throw new Error(`${this.jid} asked ${xml} and got ${answer}`);
    return answer;
  }

  /** Everything in an archive (XEP-0313): id, time and content of each message. */
  async archive(of?: string): Promise<string[]> {
    const [end, results] = await this.ask("set", of, '<query xmlns="urn:xmpp:mam:2"/>');
    if (!end.includes('complete="true"')) throw new Error(`${this.jid} got an incomplete archive: ${end}`);
    return results
      .filter((stanza) => stanza.includes("urn:xmpp:mam:2"))
      .map((stanza) => stanza.replace(/^<message [^>]*>/, ""));
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    await once(this.#child, "exit");
  }
}

async function as<T>(
  server: XmppServer,
  { jid, password }: { jid: string; password: string },
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await Client.open(server, jid, password);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** Attributes sorted by name: Prosody writes them in any order. */
function inOrder(xml: string): string {
  return xml.replace(/<([\w:-]+)((?: [\w:-]+="[^"]*")+)/g, (_tag, name, attributes) =>
    [`<${name}`, ...attributes.match(/[\w:-]+="[^"]*"/g).sort()].join(" "),
  );
}

export const alice = { jid: "alice@example.test", password: "alice's password" };
export const bob = { jid: "bob@example.test", password: "bob's password" };
const room = "den@conference.example.test";

/** What these users leave on a server: a roster, messages, an avatar's like, a room with a talk, a file. */
export async function live(server: XmppServer): Promise<{ file: string }> {
  return as(server, alice, async (client) => {
    client.send("<presence/>");
    await client.must(
      "set",
      undefined,
      `<query xmlns="jabber:iq:roster"><item jid="${bob.jid}" name="Bob &amp; Söhne"><group>friends</group></item></query>`,
    );
    await client.must(
      "set",
      undefined,
      '<pubsub xmlns="http://jabber.org/protocol/pubsub"><publish node="http://jabber.org/protocol/nick"><item id="current"><nick xmlns="http://jabber.org/protocol/nick">Älice</nick></item></publish></pubsub>',
    );
    await client.must(
      "set",
      undefined,
      '<query xmlns="jabber:iq:private"><notes xmlns="test:notes">mine</notes></query>',
    );
    client.send(`<message to="${bob.jid}" type="chat" id="m1"><body>While you were away ☃</body></message>`);
    client.send(`<presence to="${room}/alice"><x xmlns="http://jabber.org/protocol/muc"/></presence>`);
    await client.see(/<presence [^>]*den@conference.*status code="110"|status code="110"/);
    const form = (
      await client.must("get", room, '<query xmlns="http://jabber.org/protocol/muc#owner"/>')
    ).includes("roomname");
    if (!form) throw new Error("the room has no form");
    await client.must(
      "set",
      room,
      '<query xmlns="http://jabber.org/protocol/muc#owner"><x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var="muc#roomconfig_roomname"><value>The Den</value></field><field var="muc#roomconfig_persistentroom"><value>1</value></field></x></query>',
    );
    client.send(`<message to="${room}" type="groupchat" id="g1"><body>Hello, den</body></message>`);
    await client.see(/type="groupchat"[^>]*>.*Hello, den/);
    const slot = await client.must(
      "get",
      "upload.example.test",
      '<request xmlns="urn:xmpp:http:upload:0" filename="note.txt" size="12" content-type="text/plain"/>',
    );
    const url = (tag: string) =>
      new RegExp(`<${tag} [^>]*url="([^"]+)"`).exec(slot)![1]!.replaceAll("&amp;", "&");
    const authorization = /name="Authorization">([^<]+)/.exec(slot)?.[1];
    await http(server, url("put"), "PUT", "twelve bytes", authorization);
    await client.archive(); // the last message is stored before an answer comes
    return { file: url("get") };
  });
}

/** What they find on a server, in the same words before and after it moved. */
export async function findings(server: XmppServer, { file }: { file: string }) {
  const found = await as(server, alice, async (client) => {
    const roster = await client.must("get", undefined, '<query xmlns="jabber:iq:roster"/>');
    const nick = await client.must(
      "get",
      undefined,
      '<pubsub xmlns="http://jabber.org/protocol/pubsub"><items node="http://jabber.org/protocol/nick"/></pubsub>',
    );
    const notes = await client.must(
      "get",
      undefined,
      '<query xmlns="jabber:iq:private"><notes xmlns="test:notes"/></query>',
    );
    client.send("<presence/>");
    client.send(
      `<presence to="${room}/alice"><x xmlns="http://jabber.org/protocol/muc"><history maxstanzas="0"/></x></presence>`,
    );
    const presence = await client.see(/status code="110"/);
    const info = await client.must("get", room, '<query xmlns="http://jabber.org/protocol/disco#info"/>');
    return {
      roster: /<item .*<\/item>/.exec(roster)?.[0],
      nick: /<nick [^>]*>[^<]*/.exec(nick)?.[0],
      notes: /<notes [^>]*>[^<]*/.exec(notes)?.[0],
      archive: await client.archive(),
      room: { name: /name="The Den"/.exec(info)?.[0], affiliation: /affiliation="\w+"/.exec(presence)?.[0] },
      talk: await client.archive(room),
      file: await http(server, file, "GET"),
    };
  });
  return { ...found, bobsArchive: await as(server, bob, (client) => client.archive()) };
}

/** A request to the server's own address, whatever the DNS knows. */
function http(
  server: XmppServer,
  url: string,
  method: string,
  body?: string,
  authorization?: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = https.request(
      url,
      {
        method,
        ca: readFileSync(server.caFile),
        hostname: server.address,
        servername: new URL(url).hostname,
        headers: {
          Host: new URL(url).host,
          ...(body !== undefined && {
            "Content-Type": "text/plain",
            "Content-Length": Buffer.byteLength(body),
          }),
          ...(authorization && { Authorization: authorization }),
        },
      },
      async (response) => {
        let text = "";
        for await (const chunk of response) text += chunk;
        if (response.statusCode! >= 300)
          reject(new Error(`${method} ${url}: ${response.statusCode} ${text}`));
        else resolve(text);
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

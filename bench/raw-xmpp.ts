import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type TLSSocket } from "node:tls";
import { domainToASCII } from "node:url";

/** XMPP as text over direct TLS (XEP-0368), for those who say exactly what goes over the wire, before log-in too. */
export class RawXmpp {
  #received = "";

  private constructor(
    readonly socket: TLSSocket,
    readonly domain: string,
  ) {
    socket.setEncoding("utf8").on("data", (text: string) => {
      this.#received += text;
      socket.emit("received");
    });
  }

  /** Opens a stream and awaits its features. */
  static async open(address: string, caFile: string, domain: string): Promise<RawXmpp> {
    const socket = connect({
      host: address,
      port: 5223,
      servername: domainToASCII(domain),
      ca: readFileSync(caFile),
      ALPNProtocols: ["xmpp-client"],
    });
    await once(socket, "secureConnect");
    const xmpp = new RawXmpp(socket, domain);
    await xmpp.#stream();
    return xmpp;
  }

  /** A session of an account whose password is its JID. */
  static async logIn(address: string, caFile: string, jid: string): Promise<RawXmpp> {
    const [user, domain] = jid.split("@") as [string, string];
    const xmpp = await RawXmpp.open(address, caFile, domain);
    const plain = Buffer.from(`\0${user}\0${jid}`).toString("base64");
    const sasl = "urn:ietf:params:xml:ns:xmpp-sasl";
    await xmpp.ask(`<auth xmlns='${sasl}' mechanism='PLAIN'>${plain}</auth>`, /<success/);
    await xmpp.#stream();
    const bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>test</resource></bind>";
    await xmpp.ask(`<iq type='set' id='bind'>${bind}</iq>`, /<iq [^>]*id='bind'.*?<\/iq>/);
    return xmpp;
  }

  /** Sends a text and awaits what matches in the answers to it. @throws Error after five seconds. */
  async ask(text: string, answer: RegExp): Promise<string> {
    this.#received = "";
    this.socket.write(text);
    return this.receive(answer, text);
  }

  /** Awaits what matches in all that came since the last {@link ask}. @throws Error after some seconds. */
  async receive(answer: RegExp, asked = "nothing", seconds = 5): Promise<string> {
    for (;;) {
      const match = answer.exec(this.#received);
      if (match) return match[0];
      await once(this.socket, "received", { signal: AbortSignal.timeout(seconds * 1000) }).catch(() => {
        throw new Error(`No ${answer} in answer to ${asked}, but: ${this.#received}`);
      });
    }
  }

  close(): void {
    this.socket.destroy();
  }

  async #stream(): Promise<void> {
    const namespaces = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'";
    await this.ask(`<stream:stream to='${this.domain}' version='1.0' ${namespaces}>`, /<\/stream:features>/);
  }
}

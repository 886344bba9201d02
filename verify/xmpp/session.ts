import type { TLSSocket } from "node:tls";
import { unicodeDomain } from "../../config/domain-name";
import type { Network } from "../net/tls";
import { type Child, type Client, type Element, library, xml } from "./library";
import { scram, scramNames } from "./scram";
import { type CuttableSocket, carryOverTls, carryOverWebSocket, type Opener } from "./transport";

export interface Credentials {
  /** Bare JID; the domain as in the stack config. */
  jid: string;
  password: string;
}

/** What carries the session: a way to open TLS, or the URL of a WebSocket; and whether it logs in by SASL2. */
export type Way = ({ open: Opener } | { network: Network; url: string }) & { sasl2?: true };

const streamManagementNs = "urn:xmpp:sm:3";

/** Milliseconds until an answer, or a stanza that is to come, is given up. */
export const patience = 12_000;

/** A request that was answered with an error (RFC 6120, section 8.3). */
export class StanzaError extends Error {
  override readonly name = "StanzaError";
  /** Such as `service-unavailable`. */
  readonly condition: string;

  constructor(error: Element | undefined) {
    const children = error?.getChildElements() ?? [];
    const condition = children.find(({ name }) => name !== "text")?.name ?? "undefined-condition";
    const text = error?.getChildText("text");
    super(text ? `${condition}: ${text}` : condition);
    this.condition = condition;
  }
}

/** An XMPP session of a user's client. What arrives is kept until somebody asks for it, see {@link next}. */
export class Session {
  /** Stream features of the last stream, after log-in. */
  features: Element | undefined;
  /** Which SCRAM the log-in used. */
  mechanism = "";
  #inbox: Element[] = [];
  #waiting = new Set<() => void>();
  #serverProof: { expected?: string; given?: string } = {};

  private constructor(readonly client: Client) {}

  /**
   * Logs in with SCRAM; PLAIN is never used. The server has to prove that it knows the password, too.
   * @throws Error with the SASL condition, such as `not-authorized`, or what else went wrong
   */
  static async open(account: Credentials, way: Way, resource: string): Promise<Session> {
    const [username, domain] = split(account.jid);
    let session: Session | undefined;
    const client = library().client({
      service: "xmpp://placeholder",
      domain,
      username,
      resource,
      credentials: (authenticate, offered) => session!.#authenticate(authenticate, offered, account.password),
    });
    session = new Session(client);
    client.timeout = patience;
    client.saslFactory._mechs.length = 0;
    for (const name of scramNames)
      client.saslFactory.use(
        scram(name, (expected) => {
          session!.#serverProof.expected = expected;
        }),
      );
    client.reconnect.stop();
    if ("open" in way) carryOverTls(client, way.open);
    else carryOverWebSocket(client, way.network, way.url);
    await session.#start(way.sasl2);
    return session;
  }

  async #start(sasl2 = false): Promise<void> {
    const { client } = this;
    // Logs in as most clients do, also where a server has SASL2: xmpp.js would take that, with a resource of the
    // server's own, and leave nothing of its stream management to see.
    client.prependListener("element", (element: Element) => {
      if (element.is("features") && !sasl2)
        element.children = element.children.filter(
          (child) => typeof child === "string" || !child.is("authentication", "urn:xmpp:sasl:2"),
        );
    });
    client.on("nonza", (element: Element) => {
      if (element.is("features")) this.features = element;
      if (element.is("success")) {
        const proof = element.getChildText("additional-data") ?? element.text();
        this.#serverProof.given = Buffer.from(proof, "base64").toString();
      }
    });
    client.on("stanza", (stanza: Element) => {
      this.#inbox.push(stanza);
      for (const wake of this.#waiting) wake();
    });
    let failure: Error | undefined;
    client.on("error", (error: Error & { condition?: string }) => {
      failure ??= new Error(error.condition ?? error.message);
    });
    try {
      const managed = new Promise<void>((resolve) =>
        client.on("nonza", (element: Element) => {
          if (element.is("enabled", streamManagementNs) || element.is("failed", streamManagementNs))
            resolve();
        }),
      );
      await within(patience, client.start(), "the log-in");
      // Before anything is sent, or xmpp.js loses count of the answers, and the session can't be resumed.
      if (!sasl2 && this.features?.getChild("sm", streamManagementNs))
        await within(patience, managed, "stream management");
      await new Promise(setImmediate);
    } catch (error) {
      await this.cut();
      throw failure ?? error;
    }
    const { expected, given } = this.#serverProof;
    if (expected !== given) {
      await this.cut();
      throw new Error("the server did not prove that it knows the password (RFC 5802)");
    }
  }

  async #authenticate(
    authenticate: (credentials: object, mechanism: string) => Promise<void>,
    offered: string[],
    password: string,
  ): Promise<void> {
    const mechanism = scramNames.find((name) => offered.includes(name));
    if (!mechanism) throw new Error(`the server offers no SCRAM, but ${offered.join(", ") || "nothing"}`);
    this.mechanism = mechanism;
    const [username] = split(this.client.jid!.toString());
    await authenticate({ username, password }, mechanism);
  }

  /** Full JID. */
  get jid(): string {
    return this.client.jid!.toString();
  }

  get bare(): string {
    return this.jid.replace(/\/.*$/, "");
  }

  get domain(): string {
    return this.bare.slice(this.bare.indexOf("@") + 1);
  }

  /** The connection as TLS sees it; not over WebSocket. */
  get tls(): TLSSocket {
    return (this.client.socket as unknown as { socket: TLSSocket }).socket;
  }

  send(element: Element): Promise<void> {
    return this.client.send(element);
  }

  get(to: string | undefined, child: Child): Promise<Element> {
    return this.#request("get", to, child);
  }

  set(to: string | undefined, child: Child): Promise<Element> {
    return this.#request("set", to, child);
  }

  /**
   * Not by xmpp.js, which ends the process when an error comes before it has returned from sending.
   * @throws StanzaError
   */
  async #request(type: string, to: string | undefined, child: Child): Promise<Element> {
    const id = uniqueId();
    await this.send(xml("iq", { type, to, id }, child));
    const answer = await this.next(
      `the answer to ${describe(child)}`,
      ({ name, attrs }) => name === "iq" && attrs.id === id && /^(result|error)$/.test(attrs.type ?? ""),
    );
    if (answer.attrs.type === "error") throw new StanzaError(answer.getChild("error"));
    return answer;
  }

  /** Announces the session, and awaits that the server knows. */
  async available(...children: Child[]): Promise<void> {
    await this.send(xml("presence", {}, ...children));
    await this.next("its own presence", (stanza) => stanza.is("presence") && stanza.attrs.from === this.jid);
  }

  /**
   * The first stanza that matches, also of those that are here already; it is taken out.
   * @param what for the error: "the message"
   */
  async next(what: string, matches: (stanza: Element) => boolean, timeout = patience): Promise<Element> {
    const end = Date.now() + timeout;
    for (;;) {
      const index = this.#inbox.findIndex(matches);
      if (index >= 0) return this.#inbox.splice(index, 1)[0]!;
      const left = end - Date.now();
      if (left <= 0) throw new Error(`${what} did not arrive in ${timeout / 1000} s`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, left);
        const waiting = this.#waiting;
        function done() {
          clearTimeout(timer);
          waiting.delete(done);
          resolve();
        }
        waiting.add(done);
      });
    }
  }

  /** Whether such a stanza has come already. */
  has(matches: (stanza: Element) => boolean): boolean {
    return this.#inbox.some(matches);
  }

  /** Sends a chat message. @returns its id */
  async say(to: string, body: string, ...children: Child[]): Promise<string> {
    const id = uniqueId();
    await this.send(xml("message", { to, id, type: "chat" }, xml("body", {}, body), ...children));
    return id;
  }

  /** The message with that id. */
  message(id: string, what = "the message"): Promise<Element> {
    return this.next(what, (stanza) => stanza.is("message") && stanza.attrs.id === id);
  }

  /** Awaits that the server has handled all that was sent before. */
  async settle(): Promise<void> {
    await this.get(this.domain, xml("ping", "urn:xmpp:ping")).catch((error) => {
      if (!(error instanceof StanzaError)) throw error;
    });
  }

  /** Breaks the connection, as when the network is gone: the server is told nothing. */
  async cut(): Promise<void> {
    const socket = this.client.socket as unknown as CuttableSocket | null;
    socket?.cut();
    await Promise.resolve();
  }

  /** Opens a new connection and resumes the session there (XEP-0198). @throws Error when it is another session */
  async resume(): Promise<void> {
    const { streamManagement, reconnect } = this.client;
    const resumed = new Promise<void>((resolve) => streamManagement.once("resumed", resolve));
    await within(patience, Promise.all([reconnect.reconnect(), resumed]), "the resumption of the session");
  }

  async end(): Promise<void> {
    if (this.client.status === "online")
      await within(1000, this.client.stop(), "the end").catch(() => undefined);
    await this.cut();
  }
}

/** Prosody knows a domain by its Unicode form (RFC 7622); the stack config has A-labels. */
function split(jid: string): [user: string, domain: string] {
  const at = jid.indexOf("@");
  const domain = jid.slice(at + 1);
  return [jid.slice(0, at), unicodeDomain(domain)];
}

let count = 0;
export const uniqueId = () => `v${++count}-${Math.random().toString(36).slice(2)}`;

async function within<T>(milliseconds: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what} took more than ${milliseconds / 1000} s`)),
      milliseconds,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

const describe = (child: Child) =>
  typeof child === "object" ? `${child.name} (${child.getNS()})` : "a request";

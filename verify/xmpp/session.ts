import type { TLSSocket } from "node:tls";
import { unicodeDomain } from "../../config/domain-name";
import type { Network } from "../net/tls";
import { type Device, hashedToken, hashedTokenName } from "./hashed-token";
import { type Authentication, type Child, type Client, type Element, library, xml } from "./library";
import { scram, scramNames } from "./scram";
import { type CuttableSocket, carryOverTls, carryOverWebSocket, type Opener } from "./transport";

export interface Credentials {
  /** Bare JID; the domain as in the stack config. */
  jid: string;
  password: string;
}

/** What carries the session: a way to open TLS, or the URL of a WebSocket; and the device that logs in by SASL2. */
export type Way = ({ open: Opener } | { network: Network; url: string }) & { sasl2?: Device };

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
  /** What the server answered the log-in with. */
  success: Element | undefined;
  /** What the log-in used: SCRAM, or a token. */
  mechanism = "";
  #inbox: Element[] = [];
  #waiting = new Set<() => void>();
  #serverProof: { expected?: string; given?: string } = {};

  private constructor(readonly client: Client) {}

  /**
   * Logs in with SCRAM, or the device's token, if it has one; PLAIN is never used. The server has to prove that it
   * knows the secret, too.
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
      credentials: (...how) => session!.#authenticate(account.password, way.sasl2, ...how),
    });
    session = new Session(client);
    client.timeout = patience;
    session.#useOwnMechanisms(way.sasl2);
    client.reconnect.stop();
    if ("open" in way) carryOverTls(client, way.open);
    else carryOverWebSocket(client, way.network, way.url);
    await session.#start(way.sasl2 !== undefined);
    return session;
  }

  #useOwnMechanisms(device?: Device): void {
    const { saslFactory, fast } = this.client;
    const proves = (name: string) => (expected: string) => {
      this.mechanism = name;
      this.#serverProof.expected = expected;
    };
    for (const { _mechs: others } of [saslFactory, fast.saslFactory]) others.length = 0;
    for (const name of scramNames) saslFactory.use(scram(name, proves(name)));
    fast.saslFactory.use(hashedToken(proves(hashedTokenName)));
    fast.saveToken = async (token) => {
      if (device) device.token = token;
    };
  }

  async #start(sasl2: boolean): Promise<void> {
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
        this.success = element;
        const proof = element.getChildText("additional-data") ?? element.text();
        this.#serverProof.given = Buffer.from(proof, "base64").toString("latin1");
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
    password: string,
    device: Device | undefined,
    ...[authenticate, offered]: Parameters<Authentication>
  ): Promise<void> {
    const mechanism = scramNames.find((name) => offered.includes(name));
    if (!mechanism) throw new Error(`the server offers no SCRAM, but ${offered.join(", ") || "nothing"}`);
    const [username] = split(this.client.jid!.toString());
    const token = device?.token;
    // Without the password beside a token, or xmpp.js would quietly log in with it where the token is refused.
    const secrets = token ? { password: "", token: { ...token } } : { password };
    const userAgent = device && xml("user-agent", { id: device.id });
    await authenticate({ username, ...secrets }, mechanism, userAgent);
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

import { wait } from "../providers/wait";
import { RawXmpp } from "./raw-xmpp";

/** Milliseconds between two messages of a client, and between two new connections of the one who looks. */
const chatEvery = 500;
const lookEvery = 50;

/** What clients saw while something was changed. */
export interface Seen {
  dropped: number;
  /** Longest time in which no new connection was taken, in seconds; 0 when each was. */
  outage: number;
  /** Longest way of a message, in seconds; of those that arrived. */
  slowestMessage: number;
}

/** Clients that are logged in and write to each other all of the time. Their passwords are their JIDs. */
export class Chat {
  #clients = new Map<string, RawXmpp>();
  #slowest = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly address: string,
    private readonly caFile: string,
    private readonly jids: readonly string[],
  ) {}

  /** Logs in whoever is not, some at a time. */
  async logIn(): Promise<void> {
    const missing = this.jids.filter((jid) => !this.#clients.has(jid));
    const one = async () => {
      for (let jid = missing.pop(); jid !== undefined; jid = missing.pop()) await this.#open(jid);
    };
    await Promise.all(Array.from({ length: 8 }, one));
  }

  async #open(jid: string): Promise<void> {
    const client = await RawXmpp.logIn(this.address, this.caFile, jid);
    this.#clients.set(jid, client);
    client.socket.on("error", () => undefined); // told by close
    client.socket.on("close", () => this.#clients.delete(jid));
    client.socket.on("data", (text: string) => {
      for (const [, sent] of text.matchAll(/<body>(\d+)<\/body>/g))
        this.#slowest = Math.max(this.#slowest, (Date.now() - Number(sent)) / 1000);
    });
  }

  #chat(): void {
    this.jids.forEach((jid, index) => {
      const to = this.jids[(index + 1) % this.jids.length];
      this.#clients
        .get(jid)
        ?.socket.write(`<message type='chat' to='${to}/test'><body>${Date.now()}</body></message>`);
    });
  }

  /** Carries out a change while everybody chats, and for two seconds more. */
  async during(change: () => Promise<unknown>): Promise<Seen> {
    this.#slowest = 0;
    this.#timer = setInterval(() => this.#chat(), chatEvery);
    const looking = this.#look();
    try {
      await change();
      await wait(2000);
      const outage = await looking.end();
      return { dropped: this.jids.length - this.#clients.size, outage, slowestMessage: this.#slowest };
    } finally {
      clearInterval(this.#timer);
      await looking.end();
    }
  }

  /** Connects again and again, as far as the server's greeting. */
  #look(): { end(): Promise<number> } {
    let isOver = false;
    let outage = 0;
    const run = async () => {
      let last = performance.now();
      let failed = false;
      while (!isOver || failed) {
        const took = await this.#greets();
        const now = performance.now();
        if (took && failed) outage = Math.max(outage, (now - last) / 1000);
        if (took) last = now;
        failed = !took;
        await wait(lookEvery);
      }
      return outage;
    };
    const running = run();
    return {
      end: () => {
        isOver = true;
        return running;
      },
    };
  }

  async #greets(): Promise<boolean> {
    const [, domain] = this.jids[0]!.split("@") as [string, string];
    try {
      const client = await RawXmpp.open(this.address, this.caFile, domain);
      client.socket.on("error", () => undefined);
      client.close();
      return true;
    } catch {
      return false;
    }
  }

  end(): void {
    for (const client of this.#clients.values()) client.close();
  }
}

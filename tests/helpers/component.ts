import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A program that serves a name from outside of Prosody, as far as its log-in (XEP-0114). */
export class Component {
  #received = "";
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8").on("data", (text: string) => {
      this.#received += text;
    });
    socket.on("error", () => {}); // an end, too
  }

  /** @returns the component, and how the server answers to its secret: "accepted", or the condition of the error */
  static async open(
    address: string,
    port: number,
    name: string,
    secret: string,
  ): Promise<{ component: Component; answer: string }> {
    const socket = connect({ host: address, port });
    const component = new Component(socket);
    const answer = await Promise.race([
      component.#logIn(name, secret).catch(() => component.#condition()),
      new Promise<string>((resolve) => {
        socket.on("close", () => resolve(component.#condition()));
      }),
    ]);
    if (answer !== "accepted") socket.destroy();
    return { component, answer };
  }

  /** The answer alone. */
  static async try(address: string, port: number, name: string, secret: string): Promise<string> {
    const { component, answer } = await Component.open(address, port, name, secret);
    component.close();
    return answer;
  }

  get isConnected(): boolean {
    return this.#socket.readyState === "open";
  }

  close(): void {
    this.#socket.destroy();
  }

  async #logIn(name: string, secret: string): Promise<string> {
    const namespaces = "xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'";
    this.#socket.write(`<?xml version='1.0'?><stream:stream to='${name}' ${namespaces}>`);
    const [, id] = await this.#await(/<stream:stream[^>]* id=['"]([^'"]+)['"][^>]*>/);
    const digest = createHash("sha1").update(`${id}${secret}`).digest("hex");
    this.#socket.write(`<handshake>${digest}</handshake>`);
    const [answer] = await this.#await(/<handshake *\/>|<handshake><\/handshake>|<\/stream:error>/);
    return answer.startsWith("<handshake") ? "accepted" : this.#condition();
  }

  #condition(): string {
    return /<stream:error[^>]*>\s*<([\w-]+)/.exec(this.#received)?.[1] ?? "no connection";
  }

  async #await(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#received);
      if (match) return match;
      await once(this.#socket, "data", { signal: AbortSignal.timeout(5000) });
    }
  }
}

import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import { Duplex } from "node:stream";
import tls from "node:tls";
import { variants } from "../fixtures/server";
import { allReleases } from "../helpers/lab";
import { RenderedProsody } from "../helpers/prosody";

/** A connection on which the client's part of a TLS handshake ends after its first message, until it may go on. */
class Halfway extends Duplex {
  #sent = false;
  #goOn: (() => void) | undefined;
  readonly #socket: net.Socket;

  constructor(address: string, port: number) {
    super();
    this.#socket = net.connect(port, address);
    this.#socket.on("data", (data) => this.push(data));
    this.#socket.on("close", () => this.push(null));
    this.#socket.on("error", (error) => this.destroy(error));
  }

  /** Resolves when the server has answered the first message. */
  async answered(): Promise<void> {
    await once(this.#socket, "data");
  }

  goOn(): void {
    this.#goOn?.();
  }

  override _read(): void {}

  override _write(data: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const send = () => this.#socket.write(data, done);
    if (this.#sent) this.#goOn = send;
    else {
      this.#sent = true;
      send();
    }
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}

describe.each(allReleases)("TLS handshakes on %s", (release) => {
  let prosody: RenderedProsody;

  beforeAll(async () => {
    prosody = await RenderedProsody.make("handshakes", release);
    await prosody.start(variants.default!);
  }, 300_000);

  const shell = (...commands: string[]) =>
    prosody.host.exec(
      `prosodyctl shell --quiet <<'END'\n${commands.map((line) => `> ${line}`).join("\n")}\nEND`,
    );
  const process = () => prosody.host.exec("systemctl show prosody --property MainPID --value");

  test("those under way outlive a reload of the certificates, whose contexts take the place of theirs", async () => {
    const before = await process();
    const ca = readFileSync(prosody.tls.caFile);
    const connections = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const halfway = new Halfway(prosody.host.address, 5223);
        const options = { socket: halfway, servername: "example.test", ca, ALPNProtocols: ["xmpp-client"] };
        const client = tls.connect(options);
        const outcome = once(client, "secureConnect").then(
          () => client.getProtocol(),
          (error: Error) => error.message,
        );
        await halfway.answered();
        return { halfway, client, outcome };
      }),
    );
    await shell("return prosody.reload_config()", "return collectgarbage()", "return collectgarbage()");
    // What is free now is used for something else.
    await shell('kept = {} for i = 1, 2e5 do kept[i] = ("x"):rep(i % 300) .. i end return #kept');
    for (const { halfway } of connections) halfway.goOn();
    const outcomes = await Promise.all(connections.map(({ outcome }) => outcome));
    expect([...new Set(outcomes)]).toEqual(["TLSv1.3"]);
    expect(await process()).toBe(before);
    for (const { client } of connections) client.destroy();
  }, 120_000);
});

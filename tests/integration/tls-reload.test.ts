import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import { Duplex } from "node:stream";
import { setTimeout } from "node:timers/promises";
import tls from "node:tls";
import { until } from "../../lab/command";
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

describe.each(allReleases)("a reload of certificates on %s", (release) => {
  let prosody: RenderedProsody;

  beforeAll(async () => {
    prosody = await RenderedProsody.make("tls-reload", release);
    // Who names no host gets any of the certificates that are there; Fedora's package brings one.
    await prosody.host.exec("rm -f /etc/prosody/certs/localhost.*");
    await prosody.start(variants.default!);
  }, 300_000);

  const shell = (...commands: string[]) =>
    prosody.host.exec(
      `prosodyctl shell --quiet <<'END'\n${commands.map((line) => `> ${line}`).join("\n")}\nEND`,
    );
  const process = () => prosody.host.exec("systemctl show prosody --property MainPID --value");

  /** SHA-256 of the certificate that a port serves to who asks for a name, or for none. */
  async function served(port: number, servername?: string): Promise<string> {
    const options = { host: prosody.host.address, port, servername, rejectUnauthorized: false };
    const client = tls.connect(options);
    await once(client, "secureConnect");
    const { fingerprint256 } = client.getPeerCertificate();
    client.destroy();
    return fingerprint256;
  }

  test.each([
    ["by name", "example.test"],
    ["without a name", undefined],
  ])(
    "handshakes that are under way %s outlive it, though other contexts take the place of theirs",
    async (_how, servername) => {
      const before = await process();
      const ca = readFileSync(prosody.tls.caFile);
      const connections = await Promise.all(
        Array.from({ length: 40 }, async () => {
          const halfway = new Halfway(prosody.host.address, 5223);
          const client = tls.connect({
            socket: halfway,
            servername,
            ca,
            ALPNProtocols: ["xmpp-client"],
            checkServerIdentity: () => undefined,
          });
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
    },
    120_000,
  );

  test("files that are gone by then are missed by no host that has the same names in its own", async () => {
    // Prosody chooses any of those that have a name.
    await prosody.host.exec(
      "cd /etc/prosody/certs && for n in $(seq 30); do cp -p example.test.crt copy$n.crt; cp -p example.test.key copy$n.key; done",
    );
    const reload = () => shell("return prosody.reload_config()").then(() => setTimeout(2000)); // 0.12 answers before it is done
    await reload();
    await prosody.host.exec("rm /etc/prosody/certs/copy*");
    await reload();
    expect(
      await prosody.host.exec(
        "echo | openssl s_client -connect 127.0.0.1:5222 -starttls xmpp -xmpphost example.test 2>&1 || true",
      ),
    ).toMatch(/subject=CN ?= ?example\.test/);
  }, 60_000);

  test("a new certificate is served at each port, to clients that name no host, too", async () => {
    const ports = [5223, 5281];
    const everywhere = () =>
      Promise.all(ports.flatMap((port) => [served(port), served(port, "example.test")]));
    const [old] = await everywhere();
    expect(await everywhere()).toEqual([old, old, old, old]);
    const made = await prosody.host.exec(
      `cd /etc/prosody/certs && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=example.test \
-addext 'subjectAltName=DNS:example.test,DNS:*.example.test' -keyout example.test.key -out example.test.crt 2>/dev/null
chown root:prosody example.test.*; chmod 0640 example.test.*
for end in crt key; do cp -p example.test.$end xn--bcher-kva.test.$end; done; openssl x509 -in example.test.crt -noout -fingerprint -sha256`,
    );
    const fingerprint = made.trim().split("=")[1];
    await shell("return prosody.reload_config()"); // 0.12 answers before it is done
    await until(
      async () => (await served(5223, "example.test")) === fingerprint || undefined,
      30,
      () => "the certificate was not loaded",
    );
    expect(await everywhere()).toEqual([fingerprint, fingerprint, fingerprint, fingerprint]);
  }, 60_000);
});

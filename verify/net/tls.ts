import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, rootCertificates, type TLSSocket } from "node:tls";
import { asciiDomain } from "../../config/domain-name";
import type { Names, Target } from "./names";

/** How this run reaches servers. */
export interface Network {
  names: Names;
  /** PEM of authorities to trust beside the usual ones. */
  ca?: string;
}

/** A connection must come about within this time, in milliseconds. */
const patience = 8000;

/** Trusted authorities for an option `ca` of node:tls; `undefined` where the usual ones are enough. */
export const authorities = ({ ca }: Network) => (ca ? [...rootCertificates, ca] : undefined);

/** TCP to the first target that answers. @throws Error that names what was tried */
export async function openTcp({ names }: Network, targets: Target[]): Promise<Socket> {
  let failure = new Error("there is no server to connect to");
  for (const { name, port } of targets) {
    const host = await names.address(name);
    const socket = connectTcp({ host, port });
    try {
      await once(socket, "connect", { signal: AbortSignal.timeout(patience) });
      return socket;
    } catch (error) {
      socket.destroy();
      failure = new Error(`no connection to ${name}:${port} (${reason(error)})`);
    }
  }
  throw failure;
}

/**
 * TLS over a connection, the certificate verified for a domain.
 * @param protocol of ALPN (RFC 7301), such as `xmpp-client`
 * @throws Error with what is wrong with the certificate
 */
export async function secure(
  network: Network,
  socket: Socket,
  domain: string,
  protocol?: string,
): Promise<TLSSocket> {
  const secured = connectTls({
    socket,
    servername: asciiDomain(domain),
    ca: authorities(network),
    ...(protocol && { ALPNProtocols: [protocol] }),
  });
  try {
    await once(secured, "secureConnect", { signal: AbortSignal.timeout(patience) });
    return secured;
  } catch (error) {
    secured.destroy();
    throw new Error(`TLS for ${asciiDomain(domain)}: ${reason(error)}`);
  }
}

/** Direct TLS (XEP-0368), found by SRV records. */
export async function openDirectTls(
  network: Network,
  domain: string,
  kind: "client" | "server" = "client",
): Promise<TLSSocket> {
  const targets = await network.names.services(`_xmpps-${kind}._tcp`, domain);
  return secure(network, await openTcp(network, targets), domain, `xmpp-${kind}`);
}

/** STARTTLS (RFC 6120, section 5), found by SRV records. */
export async function openStarttls(
  network: Network,
  domain: string,
  kind: "client" | "server" = "client",
): Promise<TLSSocket> {
  const socket = await openTcp(network, await network.names.services(`_xmpp-${kind}._tcp`, domain));
  const namespaces = `xmlns='jabber:${kind}' xmlns:stream='http://etherx.jabber.org/streams'`;
  const header = `<?xml version='1.0'?><stream:stream to='${escaped(domain)}' version='1.0' ${namespaces}>`;
  try {
    const features = await ask(socket, header, /<stream:features.*?<\/stream:features>|<stream:error.*/s);
    if (!features.includes("urn:ietf:params:xml:ns:xmpp-tls"))
      throw new Error("the server offers no STARTTLS");
    await ask(socket, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", /<proceed/);
    return await secure(network, socket, domain);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Sends a text and awaits what matches in the answer. @throws Error with what came instead */
export async function ask(socket: Socket, text: string, answer: RegExp): Promise<string> {
  let received = "";
  const signal = AbortSignal.timeout(patience);
  const onData = (data: Buffer) => {
    received += data.toString("utf8");
  };
  socket.on("data", onData);
  try {
    socket.write(text);
    for (;;) {
      const match = answer.exec(received);
      if (match) return match[0];
      await Promise.race([
        once(socket, "data", { signal }),
        once(socket, "close", { signal }).then(() =>
          Promise.reject(new Error("the server closed the connection")),
        ),
      ]);
    }
  } catch (error) {
    throw new Error(`${reason(error)}${received ? `; it said ${received.slice(0, 200)}` : ""}`);
  } finally {
    socket.off("data", onData);
  }
}

function reason(error: unknown): string {
  const { name, code, message } = error as NodeJS.ErrnoException;
  return name === "AbortError" ? `no answer in ${patience / 1000} s` : (code ?? message);
}

const escaped = (text: string) => text.replace(/[&<>'"]/g, (character) => `&#${character.charCodeAt(0)};`);

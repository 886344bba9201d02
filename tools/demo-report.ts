import { Resolver } from "node:dns/promises";
import type { LabHost } from "../lab";
import { say } from "../lab/command";
import { parseSockets } from "../providers/facts/sockets";
import { pulumi } from "./engine";
import { login } from "./login";

/** What `index.ts` exports of a server. */
interface Deployed {
  address: string;
  virtualHosts: string[];
  ports: Record<string, number | false>;
  accounts: string[];
  certificatesExpire: Record<string, string>;
  prosodyVersion: string;
}

/**
 * Says what runs on the demo's host, with a real login as the last proof.
 * @param pid Prosody's main process before and after the deployment
 * @returns whether the login worked
 */
export async function report(
  host: LabHost,
  caFile: string,
  pid: { before: string; after: string },
): Promise<boolean> {
  const { prosody } = await json<{ prosody: Deployed }>("stack", "output", "--json", "servers");
  const listening = await listeningPorts(host);
  const line = (name: string, text: string) => say(`${name.padEnd(15)} ${text}`);
  line("server", `Prosody ${prosody.prosodyVersion} on ${prosody.address}`);
  line("virtual hosts", prosody.virtualHosts.join(", "));
  const ports = Object.entries(prosody.ports).filter(([, port]) => port && listening.includes(port));
  line("listening", ports.map(([name, port]) => `${port} ${name}`).join(", "));
  line("accounts", prosody.accounts.join(", "));
  for (const [domain, end] of Object.entries(prosody.certificatesExpire))
    line("certificate", `${domain}, valid until ${end.slice(0, 10)}`);

  const jid = prosody.accounts[0]!;
  const { stdout: password } = await pulumi(["config", "get", "--path", `jids[${JSON.stringify(jid)}]`]);
  const found = await locate(jid, host.address);
  line("found in DNS", `${found.name}:${found.port} at ${found.address}`);
  const server = { address: found.address, port: found.port, caFile };
  const session = await login(server, { jid, password: password.replace(/\n$/, "") });
  const isLoggedIn = "jid" in session;
  line("login", isLoggedIn ? `${session.jid} over ${session.protocol}, certificate verified` : session.error);
  line("changes", await changes(pid));
  return isLoggedIn;
}

/**
 * Where a client that knows nothing but its JID connects to, see RFC 6120, 3.2.
 * @param resolver address of the name server that is asked
 */
async function locate(
  jid: string,
  resolver: string,
): Promise<{ name: string; port: number; address: string }> {
  const dns = new Resolver();
  dns.setServers([resolver]);
  const services = await dns.resolveSrv(`_xmpp-client._tcp.${jid.split("@")[1]}`);
  const { name, port } = services.sort((a, b) => a.priority - b.priority)[0]!;
  const [address] = await dns.resolve4(name);
  return { name, port, address: address! };
}

/** TCP ports on which something of the host listens. */
async function listeningPorts(host: LabHost): Promise<number[]> {
  return parseSockets(await host.exec("ss -Hltn")).map(({ port }) => port);
}

/** What the last update did, and whether Prosody was restarted. */
async function changes(pid: { before: string; after: string }): Promise<string> {
  const [last] = await json<[{ resourceChanges: Record<string, number> }]>(
    "stack",
    "history",
    "--json",
    "--page-size",
    "1",
  );
  const changed = Object.entries(last.resourceChanges).filter(([kind]) => kind !== "same");
  const what = changed.map(([kind, count]) => `${count} ${kind}`).join(", ") || "none";
  const same =
    pid.before === pid.after
      ? `not restarted (main process ${pid.after})`
      : `started (main process ${pid.after})`;
  return `${what}; Prosody ${same}`;
}

async function json<T>(...args: string[]): Promise<T> {
  return JSON.parse((await pulumi(args)).stdout) as T;
}

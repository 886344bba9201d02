import type { Model } from "./model";

/** Each costs some milliseconds; what fails for one virtual host fails for the others, as a rule. */
const most = 20;

const everywhere: Record<string, string> = { "*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1" };

/** A command for `client-streams.lua`; `undefined` where clients have no port or no virtual host. */
export function clientStreams({ ports, hosts }: Model): string | undefined {
  const reached = (names: string[], kind: string) =>
    ports
      .filter(({ service }) => names.includes(service))
      .map((port) => `port ${everywhere[port.interface] ?? port.interface} ${port.port} ${kind}`);
  const places = [...reached(["c2s"], "starttls"), ...reached(["c2s_direct_tls", "legacy_ssl"], "tls")].slice(
    0,
    4,
  );
  const served = Object.keys(hosts)
    .filter((host) => !hosts[host]!.component && hosts[host]!.modules.includes("c2s"))
    .sort()
    .slice(0, most)
    .map((host) => `host ${host}`);
  if (places.length === 0 || served.length === 0) return undefined;
  return ["client-streams", ...places, ...served, ""].join("\n");
}

/** What that command found: a virtual host at which the server fails, and what Prosody logged. */
export function lockedOut(reply: string): { host: string; reason: string } | undefined {
  const [host, reason] = reply.split("\t");
  if (!host || !reason) return undefined;
  return { host, reason: reason.split("\n")[0]!.replace(/^Traceback\[c2s\]: /, "") };
}

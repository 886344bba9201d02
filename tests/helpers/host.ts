import { Secret } from "../../config/secret";
import type { HostSettings } from "../../config/settings";
import type { Host } from "../../providers/host";
import { openHost, type SshHost } from "../../providers/ssh/host";
import { bastionOf, type LabHost, sudoPassword } from "./lab";
import { secret } from "./stack";

/**
 * How to reach a lab host, as the stack config's option `host`: as root; where the suite runs through sudo
 * (docs/testing.md), as a user whose sudo asks for a password, through a jump host.
 */
export function hostConfig(host: LabHost) {
  const bastion = bastionOf(host);
  if (!bastion) return endpoint(host);
  return {
    ...endpoint(host),
    user: "admin",
    sudo: { password: secret(sudoPassword) },
    jump: { ...endpoint(bastion), user: "admin" },
  };
}

const endpoint = ({ address, privateKeyFile, hostKey }: LabHost) => ({ address, privateKeyFile, hostKey });

/** The same for handlers without the engine, unless `more` says otherwise. */
export function hostSettings(host: LabHost, more: Partial<HostSettings> = {}): HostSettings {
  const bastion = bastionOf(host);
  if (!bastion) return { ...settings(host, "root"), sudo: false, ...more };
  return {
    ...settings(host, "admin"),
    sudo: { password: new Secret(sudoPassword) },
    jump: settings(bastion, "admin"),
    ...more,
  };
}

const settings = (host: LabHost, user: string): Omit<HostSettings, "sudo" | "jump"> => ({
  address: host.address,
  port: 22,
  user,
  trust: { kind: "pinned", hostKeys: [host.hostKey] },
  login: { privateKeyFile: host.privateKeyFile },
  connectTimeout: 20,
});

/** Somebody else's hand on a lab host; what was read over the connection before it does not count any more. */
export async function byHand(host: LabHost, connection: SshHost, script: string): Promise<string> {
  const output = await host.exec(script);
  await connection.run(":", { doing: "forgetting facts", changes: true });
  return output.trim();
}

/** A connection to a lab host, for tests of handlers without the engine. To be closed. */
export function open(
  host: LabHost,
  more: Partial<HostSettings> = {},
  server = "xmpp.example.test",
): Promise<SshHost> {
  return openHost(hostSettings(host, more), server);
}

/** A host whose provider is killed right after this script ran: nothing more reaches it. */
export function killedAfter(host: Host, last: string): Host {
  let dead = false;
  return {
    name: host.name,
    fact: (fact) => host.fact(fact),
    group: (key, item, commit) => host.group(key, item, commit),
    async run(script, options) {
      if (dead) throw new Error("killed");
      const result = await host.run(script, options);
      dead = script === last;
      return result;
    },
  };
}

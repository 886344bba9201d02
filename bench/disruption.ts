import { certificate } from "../lab";
import { say } from "../lab/command";
import { Chat, type Seen } from "./chat";
import { type BenchHost, blank } from "./hosts";
import { ourConfig } from "./ours";
import type { Disruption } from "./results";
import { Stack, secret } from "./scratch-stack";

/** Kinds of change, and the options of the stack config that make them; each stays for those after it. */
const changes = (host: BenchHost): [string, () => Promise<Record<string, unknown>>][] => [
  ["a new account", async () => ({ jids: { [`new@${host.domain}`]: secret("new") } })],
  ["a module more", async () => ({ extraModules: ["announce"] })],
  ["an option of the rooms", async () => ({ conference: { creators: "everyone" } })],
  ["a renewed certificate", async () => ({ domains: { [host.domain]: await files(host.domain, 200) } })],
  ["an external component", async () => ({ components: { irc: secret("the component's secret") } })],
  [
    "a virtual host more",
    async () => ({
      domains: {
        [host.domain]: await files(host.domain, 200),
        "second.example.test": await files("second.example.test"),
      },
    }),
  ],
  ["a port changed (HTTPS)", async () => ({ ports: { https: 8443 } })],
];

/** @param expiresInDays another number is another certificate */
async function files(domain: string, expiresInDays?: number) {
  const { certificateFile, keyFile, intermediateFile } = await certificate(domain, { expiresInDays });
  return { certificate: certificateFile, keyFile, intermediates: [intermediateFile] };
}

/**
 * What so many connected clients see of each kind of change, and of the restart that others do for each.
 * @param kinds only so many kinds of change, and not the package; default: all
 */
export async function disruptions(host: BenchHost, count: number, kinds?: number): Promise<Disruption[]> {
  await blank(host);
  const jids = Array.from({ length: count }, (_, index) => `chat${index}@${host.domain}`);
  const own = Object.fromEntries(jids.map((jid) => [jid, secret(jid)]));
  const stack = await Stack.create({ ...ourConfig([host], 0), jids: own });
  const chat = new Chat(host.lab.address, host.tls.caFile, jids);
  const found: Disruption[] = [];
  const note = (change: string, seen: Seen, byUs = true) => {
    say(`  ${change}: ${seen.dropped} of ${count} dropped, ${seen.outage.toFixed(2)} s without connections`);
    found.push({ change, byUs, clients: count, ...seen });
  };
  const up = async () => {
    const { code, text } = await stack.up();
    if (code !== 0) throw new Error(`The engine ended with ${code}:\n${text}`);
  };
  try {
    await up();
    await chat.logIn();
    for (const [name, options] of changes(host).slice(0, kinds)) {
      const { jids: more, ...rest } = (await options()) as { jids?: object };
      await stack.configure({ ...rest, ...(more && { jids: { ...own, ...more } }) });
      note(name, await chat.during(up));
      await chat.logIn();
    }
    const restart = await chat.during(() => host.lab.exec("systemctl restart prosody"));
    note("a restart, as the Ansible role does for each of them", restart, false);
    if (kinds !== undefined) return found;
    await chat.logIn();
    const again = "DEBIAN_FRONTEND=noninteractive apt-get -y -q install --reinstall prosody >/dev/null 2>&1";
    note("the package installed anew, by apt", await chat.during(() => host.lab.exec(again)), false);
  } finally {
    chat.end();
    await stack.destroy();
    stack.remove();
  }
  return found;
}

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { serveZones, trustLab, useResolver } from "../helpers/bind";
import { hostConfig } from "../helpers/host";
import { type Certificate, certificate, filesOf, type LabHost, lab, type Release } from "../helpers/lab";
import { RawXmpp } from "../helpers/raw-xmpp";
import { Stack, secret } from "../helpers/stack";

/** A server with one domain, on a host of its own. */
interface Site {
  domain: string;
  host: LabHost;
  stack: Stack;
  tls: Certificate;
  /** An account whose password is its JID. */
  jid: string;
}

async function makeSite(release: Release, domain: string): Promise<Site> {
  const jid = `somebody@${domain}`;
  const host = await lab(`federation-${release}`, { release });
  const tls = await certificate(domain);
  const stack = await Stack.create({
    host: hostConfig(host),
    domains: {
      [domain]: filesOf(tls),
    },
    dns: { address: { ipv4: host.address } },
    jids: { [jid]: secret(jid) },
  });
  await trustLab(host, readFileSync(tls.caFile, "utf8"));
  const { code, text } = await stack.up();
  if (code !== 0) throw new Error(text);
  return { domain, host, stack, tls, jid };
}

const logIn = ({ host, tls, jid }: Site) => RawXmpp.logIn(host.address, tls.caFile, jid);

describe("two servers of different domains, found by DNS", () => {
  let alpha: Site;
  let beta: Site;
  let resolver: string;

  beforeAll(async () => {
    [alpha, beta] = await Promise.all([
      makeSite("trixie", "alpha.example"),
      makeSite("bookworm", "beta.example"),
    ]);
    const zones = [alpha, beta].map(async ({ domain, host, stack }) => {
      const { prosody } = JSON.parse(await stack.must("stack", "output", "--json", "servers"));
      return { domain, records: prosody.dnsZones[domain], address: host.address };
    });
    resolver = await serveZones(alpha.host, await Promise.all(zones));
    for (const { host } of [alpha, beta]) {
      await useResolver(host, resolver);
      await host.exec("systemctl restart prosody");
    }
  }, 400_000);

  afterAll(() => {
    alpha?.stack.remove();
    beta?.stack.remove();
  });

  test.each([
    ["alpha.example", "beta.example"],
    ["beta.example", "alpha.example"],
  ])(
    "verify of %s passes whole through DNS, and reaches %s",
    async (domain, peer) => {
      const site = domain === alpha.domain ? alpha : beta;
      const options = ["--resolver", resolver, "--ca", site.tls.caFile, "--peer", peer, "--json"];
      const { code, stdout, stderr } = await site.stack.capture("verify", ...options);
      if (!stdout) throw new Error(stderr);
      const { lines } = JSON.parse(stdout).servers[0];
      expect(lines.filter(({ status }: { status: string }) => status === "failed")).toEqual([]);
      const talking = lines.find(({ name }: { name: string }) => name === "Talking to another server");
      expect(talking).toMatchObject({ status: "passed", detail: expect.stringContaining(peer) });
      expect(code).toBe(0);
    },
    120_000,
  );

  test("users of both write to each other", async () => {
    const [a, b] = await Promise.all([logIn(alpha), logIn(beta)]);
    await Promise.all([a.ask("<presence/>", /<presence/), b.ask("<presence/>", /<presence/)]);
    a.socket.write(`<message to='${beta.jid}' type='chat'><body>from alpha</body></message>`);
    expect(await b.receive(/<message .*?from alpha.*?<\/message>/)).toContain(`from='${alpha.jid}/`);
    b.socket.write(`<message to='${alpha.jid}' type='chat'><body>from beta</body></message>`);
    expect(await a.receive(/<message .*?from beta.*?<\/message>/)).toContain(`from='${beta.jid}/`);
    for (const session of [a, b]) session.close();
  }, 30_000);

  test("users of each enter rooms of the other", async () => {
    for (const [owner, guest] of [
      [alpha, beta],
      [beta, alpha],
    ] as const) {
      const room = `lounge@conference.${owner.domain}`;
      const [inside, outside] = await Promise.all([logIn(owner), logIn(guest)]);
      const enter = (nick: string) =>
        `<presence to='${room}/${nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>`;
      await inside.ask(enter("owner"), /<status code='201'/);
      const form =
        "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>";
      await inside.ask(`<iq to='${room}' type='set' id='open'>${form}</iq>`, /id='open'/);
      await outside.ask(enter("guest"), /<status code='110'/);
      outside.socket.write(`<message to='${room}' type='groupchat'><body>hello</body></message>`);
      expect(await inside.receive(/<message [^>]*>(?:(?!<\/message>).)*hello/)).toContain(`${room}/guest`);
      for (const session of [inside, outside]) session.close();
    }
  }, 30_000);

  test("a server whose certificate can't be verified is refused, in both directions", async () => {
    await beta.host.exec(
      "cd /etc/prosody/certs && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 " +
        `-subj /CN=${beta.domain} -addext subjectAltName=DNS:${beta.domain} ` +
        `-keyout ${beta.domain}.key -out ${beta.domain}.crt 2>&1; systemctl restart prosody`,
    );
    await alpha.host.exec("systemctl restart prosody"); // it may have a connection from before
    const rogue = path.join(mkdtempSync(path.join(tmpdir(), "prosody-rogue-")), "beta.crt");
    writeFileSync(rogue, await beta.host.exec(`cat /etc/prosody/certs/${beta.domain}.crt`));
    const [a, b] = await Promise.all([logIn(alpha), RawXmpp.logIn(beta.host.address, rogue, beta.jid)]);
    rmSync(path.dirname(rogue), { recursive: true });
    await Promise.all([a.ask("<presence/>", /<presence/), b.ask("<presence/>", /<presence/)]);
    for (const [from, to] of [
      [a, beta],
      [b, alpha],
    ] as const)
      expect(
        await from.ask(
          `<message to='${to.jid}' type='chat' id='m'><body>not to arrive</body></message>`,
          /<message [^>]*type='error'.*?<\/message>/,
        ),
      ).toMatch(/remote-server/);
    for (const session of [a, b]) {
      await expect(session.receive(/<body>not to arrive<\/body>(?!.*<error)/, "nothing", 1)).rejects.toThrow(
        /^No /,
      );
      session.close();
    }
  }, 60_000);
});

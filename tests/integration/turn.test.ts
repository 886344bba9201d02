import { readFileSync } from "node:fs";
import { distributions } from "../helpers/distribution";
import { hostConfig } from "../helpers/host";
import { allReleases, type Certificate, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { RawXmpp } from "../helpers/raw-xmpp";
import { Stack, secret } from "../helpers/stack";

const alice = "alice@example.test";
/** What coturn's client says at its end; over TLS it loses some messages by itself. */
const relayed = /start_mclient: tot_send_msgs=\d+, tot_recv_msgs=[1-9]|Received relay addr: 10\./;
const clean = { code: 0, rows: [], text: expect.any(String) };

interface Service {
  type: string;
  transport: string;
  host: string;
  port: string;
  username: string;
  password: string;
}

describe.each(allReleases)("calls on %s", (release) => {
  let host: LabHost;
  let stack: Stack;
  let tls: Certificate;
  let original: string;
  const distribution = distributions[release];
  const isDebian = distribution.family === "debian";
  const config = isDebian ? "/etc/turnserver.conf" : "/etc/coturn/turnserver.conf";
  const pid = (unit: string) => host.exec(`systemctl show -P MainPID ${unit}`);
  const secretOnHost = () => host.exec(`sed -n 's/^static-auth-secret=//p' ${config}`);

  /** What a client that is logged in learns about servers for calls (XEP-0215). */
  async function services(): Promise<Service[]> {
    const xmpp = await RawXmpp.logIn(host.address, tls.caFile, alice);
    const answer = await xmpp.ask(
      "<iq type='get' to='example.test' id='s'><services xmlns='urn:xmpp:extdisco:2'/></iq>",
      /<iq [^>]*id='s'.*?<\/iq>/,
    );
    xmpp.close();
    return [...answer.matchAll(/<service [^>]*>/g)].map(([element]) => {
      const attribute = (name: string) => new RegExp(` ${name}='([^']*)'`).exec(element)?.[1] ?? "";
      const names = ["type", "transport", "host", "port", "username", "password"] as const;
      return Object.fromEntries(names.map((name) => [name, attribute(name)])) as unknown as Service;
    });
  }

  /** Two clients of coturn's own that talk to each other through it; all of it on the host, where its peers are. */
  const call = async ({ transport, type, port, username, password }: Service) => {
    const wire = transport === "udp" ? "" : "-t";
    const overTls = type === "turns";
    // Two of its clients that talk over TLS often lose each other; one shows that it is let in.
    const secure = overTls ? `-S -E /etc/ssl/lab.crt -v -e ${host.address}` : "-y";
    const client = `turnutils_uclient -n 3 -m 1 -u '${username}' -w '${password}' -p ${port} ${wire} ${secure}`;
    // Of its handshakes with TLS every other one hangs on bookworm, where OpenSSL's own client never does.
    const [seconds, tries] = overTls ? [6, 15] : [60, 1];
    let said = "";
    for (let tried = 0; tried < tries && !relayed.test(said); tried++)
      said = await host.exec(`timeout ${seconds} ${client} ${host.address} 2>&1 || true`);
    return said;
  };

  beforeAll(async () => {
    host = await lab(`turn-${release}`, { release });
    // Of somebody who had it before the stack, as a link.
    await host.exec(
      "mkdir /etc/turnserver && echo theirs > /etc/turnserver/own && ln -s own /etc/turnserver/tls.key",
    );
    tls = await certificate("example.test");
    await host.exec(`cat > /etc/ssl/lab.crt <<'END'\n${readFileSync(tls.caFile, "utf8")}END`);
    stack = await Stack.create({
      host: hostConfig(host),
      domains: domains(tls),
      jids: { [alice]: secret(alice) },
    });
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
    original = await host.exec("cat /var/backups/prosody-pulumi/turnserver.conf.original");
  }, 300_000);

  afterAll(() => stack?.remove());

  test("a client learns of STUN, TURN and TURN over TLS, with credentials that expire", async () => {
    const tomorrow = Math.floor(Date.now() / 1000) + 86_400;
    const found = await services();
    expect(found.map(({ username: _u, password: _p, ...rest }) => rest)).toEqual([
      { type: "stun", transport: "udp", host: "turn.example.test", port: "3478" },
      { type: "turn", transport: "udp", host: "turn.example.test", port: "3478" },
      { type: "turn", transport: "tcp", host: "turn.example.test", port: "3478" },
      { type: "turns", transport: "tcp", host: "turn.example.test", port: "5349" },
    ]);
    expect(found[0]).toMatchObject({ username: "", password: "" });
    for (const { username, password } of found.slice(1)) {
      expect(Math.abs(Number(username) - tomorrow)).toBeLessThan(120);
      expect(password).toMatch(/^[A-Za-z0-9+/]{27}=$/);
    }
  }, 30_000);

  test("with them, calls are relayed on every way; without, or expired, they are not", async () => {
    const found = await services();
    for (const service of found.slice(1)) {
      const said = await call(service);
      expect([service.type, service.transport, said]).toEqual([
        service.type,
        service.transport,
        expect.stringMatching(relayed),
      ]);
    }
    expect(await call({ ...found[1]!, password: "wrong" })).not.toMatch(relayed);
    expect(await call({ ...found[1]!, username: "1000000000" })).not.toMatch(relayed);
  }, 300_000);

  test("private networks are not reached through it", async () => {
    const [, udp] = await services();
    const { username, password } = udp!;
    for (const peer of ["10.77.1.1", "127.0.0.1", "192.168.1.1"])
      expect([
        peer,
        await host.exec(
          `timeout 20 turnutils_uclient -n 1 -m 1 -u '${username}' -w '${password}' -e ${peer} -v ${host.address} 2>&1 || true`,
        ),
      ]).toEqual([peer, expect.stringMatching(/403 \(Forbidden IP\)/)]);
  }, 300_000);

  test("networks of containers that come and go are no difference, and stay out of its reach", async () => {
    await host.exec(
      "ip link add br-test type bridge && ip address add 172.30.0.1/16 dev br-test && ip link set br-test up",
    );
    expect(await stack.drift()).toEqual(clean);
    expect(await host.exec(`grep ^allowed-peer-ip ${config}`)).toBe(`allowed-peer-ip=${host.address}\n`);
    await host.exec("ip link delete br-test");
  }, 300_000);

  test("the certificate that is served is the virtual host's", async () => {
    expect(await served()).toEqual(await serialIn(tls.certificateFile));
  });

  test("up again changes nothing and restarts nothing", async () => {
    const before = [await pid("coturn"), await pid("prosody"), await secretOnHost()];
    expect(await stack.up()).toEqual({
      code: 0,
      text: expect.stringMatching(/Resources:\n +\d+ unchanged/),
    });
    expect(await stack.drift()).toEqual(clean);
    expect([await pid("coturn"), await pid("prosody"), await secretOnHost()]).toEqual(before);
  }, 300_000);

  test.each([
    [
      "an edit",
      `sed -i 's/^no-cli$/cli-port=5766/' ${config}`,
      "TurnServer coturn update",
      /- cli-port=5766/,
    ],
    [
      "another secret",
      `sed -i 's/^static-auth-secret=.*/static-auth-secret=canary-canary-canary/' ${config}`,
      "TurnServer coturn update",
      /TurnServer: \(update\)/,
    ],
    [
      "its copy of the key",
      "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 > /etc/turnserver/tls.key",
      "TurnServer coturn update",
      /~ certificate/,
    ],
    ["stopped", "systemctl stop coturn", "Service coturn update", /~ active +: false => true/],
  ])(
    "%s shows in a preview, and up repairs it",
    async (_what, byHand, row, detail) => {
      const before = await secretOnHost();
      await host.exec(byHand);
      const drift = await stack.drift();
      expect(drift).toEqual({ code: 7, rows: [row], text: expect.stringMatching(detail) });
      expect(drift.text).not.toContain("canary");
      expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
      expect(await stack.drift()).toEqual(clean);
      expect(await secretOnHost()).toBe(before);
      expect(await call((await services())[1]!)).toMatch(relayed);
    },
    300_000,
  );

  test("a renewed certificate is served without a restart", async () => {
    const renewed = await certificate("example.test", { expiresInDays: 60 });
    const before = await pid("coturn");
    await stack.configure({ domains: domains(renewed) });
    const preview = await stack.preview("--diff");
    expect(preview.text).not.toMatch(/Configuration.*prosody/); // the secret is known, so nothing else seems to change
    // What keeps Prosody from loading it is put right later in the same up.
    await host.exec("echo '}' >> /etc/prosody/prosody.cfg.lua");
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({
      code: 0,
      text: expect.stringMatching(/Prosody has not loaded them: [\s\S]*prosody\.cfg\.lua:\d+/),
    });
    expect(await pid("coturn")).toBe(before);
    expect(await served()).toEqual(await serialIn(renewed.certificateFile));
    expect(await served(5223, "-alpn xmpp-client", "example.test")).toEqual(await served());
    expect(await stack.drift()).toEqual(clean);
  }, 300_000);

  test("a port that somebody else has: the old server goes on, and the error says why", async () => {
    await host.exec(
      "systemd-run --quiet --unit=taken systemd-socket-activate --listen=13478 cat; " +
        "until ss -Hltn | grep -q :13478; do sleep 0.05; done",
    );
    const before = await pid("coturn");
    await stack.configure({ ports: { turn: 13478 } });
    const { code, text } = await stack.up();
    expect({ failed: code !== 0, text }).toEqual({
      failed: true,
      text: expect.stringMatching(/13478\/tcp is taken by systemd-socket\S* \(taken\.service\)/),
    });
    expect(await pid("coturn")).toBe(before);
    await host.exec("systemctl stop taken");
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect((await services()).map(({ port }) => port)).toEqual(["13478", "13478", "13478", "5349"]);
    expect(await call((await services())[1]!)).toMatch(relayed);
  }, 300_000);

  test("switched off, coturn goes, its configuration is as it was, and clients hear of no server", async () => {
    await host.exec("systemctl stop prosody; systemctl start prosody");
    await stack.configure({ turn: false, ports: undefined });
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    // What is as rpm brought it goes with its package.
    expect(await host.exec(`cat ${config} 2>/dev/null || true`)).toBe(isDebian ? original : "");
    expect(await host.exec(distribution.version("coturn"))).toBe("");
    expect(await host.exec("ls /etc/turnserver; cat /etc/turnserver/tls.key")).toBe("own\ntls.key\ntheirs\n");
    expect(await host.exec("cat /etc/prosody/secrets.cfg.lua 2>&1 || true")).toContain("No such file");
    expect(await stack.drift()).toEqual(clean);
  }, 300_000);

  async function served(port = 5349, how = "", name = "turn.example.test"): Promise<string> {
    return host.exec(
      `openssl s_client -connect 127.0.0.1:${port} ${how} -servername ${name} -verify_return_error ` +
        `-verify_hostname ${name} -CAfile /etc/ssl/lab.crt </dev/null 2>/dev/null | openssl x509 -noout -serial`,
    );
  }

  function serialIn(file: string): Promise<string> {
    return host.exec(`openssl x509 -noout -serial <<'END'\n${readFileSync(file, "utf8")}END`);
  }
});

function domains(tls: Certificate) {
  return {
    "example.test": filesOf(tls),
  };
}

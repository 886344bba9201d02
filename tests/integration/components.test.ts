import { Component } from "../helpers/component";
import { hostConfig } from "../helpers/host";
import { allReleases, type Certificate, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";
import { connect } from "../helpers/xmpp";

const alice = { jid: "alice@example.test", password: "Alice's" };
const odd = "q\"u\\o't]] é";
const irc = "irc.example.test";
const matrix = "matrix.example.test";
const clean = { code: 0, rows: [], text: expect.any(String) };
const done = { code: 0, text: expect.any(String) };

describe.each(allReleases)("external components on %s", (release) => {
  let host: LabHost;
  let stack: Stack;
  let tls: Certificate;
  let held: Component | undefined;
  const xmpp = () => ({ address: host.address, port: 5222, caFile: tls.caFile });
  const mainPid = async () => (await host.exec("systemctl show -P MainPID prosody")).trim();
  const logIn = (name: string, password: string, port = 5347) =>
    Component.try(host.address, port, name, password);
  const active = async () =>
    (await host.exec("prosodyctl shell 'host:list()'"))
      .match(/\b(irc|matrix)\.example\.(test|org)\b/g)
      ?.sort();

  beforeAll(async () => {
    host = await lab(`components-${release}`, { release });
    tls = await certificate("example.test");
    const org = await certificate("example.org", { names: ["example.org", "*.example.org"] });
    stack = await Stack.create({
      host: hostConfig(host),
      domains: { "example.test": filesOf(tls), "example.org": filesOf(org) },
      jids: { [alice.jid]: secret(alice.password) },
      admins: [alice.jid],
      componentInterfaces: [host.address],
      components: {
        irc: secret(odd),
        matrix: {
          secret: secret("general"),
          domains: { "example.test": secret("own"), "example.org": false },
        },
      },
    });
  }, 300_000);

  afterAll(() => {
    held?.close();
    stack?.remove();
  });

  test("come with the server, each under its virtual hosts, for whoever has the secret", async () => {
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({
      code: 0,
      text: expect.stringMatching(
        /componentInterfaces: external components may connect at .* without encryption/,
      ),
    });
    expect(await active()).toEqual(["irc.example.org", irc, matrix]);
    expect(await logIn(irc, odd)).toBe("accepted");
    expect(await logIn("irc.example.org", odd)).toBe("accepted");
    expect(await logIn(irc, "wrong")).toBe("not-authorized");
    expect(await logIn(matrix, "own")).toBe("accepted");
    expect(await logIn(matrix, "general")).toBe("not-authorized");
    expect(await logIn("matrix.example.org", "general")).toBe("host-unknown");
    expect(await stack.drift()).toEqual(clean);
  }, 300_000);

  test("have their secrets in files for root and Prosody alone, and in no other place", async () => {
    expect(await host.exec(`stat -c '%a %U:%G' /etc/prosody/component-${irc}.cfg.lua`)).toBe(
      "640 root:prosody\n",
    );
    expect(await host.exec("grep -c component_secret /etc/prosody/prosody.cfg.lua || true")).toBe("0\n");
    const state = await stack.export();
    expect(state).not.toContain(JSON.stringify(odd).slice(1, -1));
    expect(state).not.toContain("component_secret");
  }, 30_000);

  test.each([
    ["removed by hand", `rm /etc/prosody/component-${irc}.cfg.lua`, "create"],
    [
      "with another secret by hand",
      `sed -i 's/component_secret = .*/component_secret = "hand"/' /etc/prosody/component-${irc}.cfg.lua && prosodyctl reload`,
      "update",
    ],
    ["with another mode", `chmod 0644 /etc/prosody/component-${irc}.cfg.lua`, "update"],
    ["taken down in the server", `prosodyctl shell 'host:deactivate("${irc}")'`, "update"],
  ])(
    "one %s shows under its name, and up repairs it without a restart",
    async (_what, byHand, step) => {
      const before = await mainPid();
      await host.exec(byHand);
      const seen = await stack.drift();
      expect(seen).toEqual({
        code: expect.any(Number),
        rows: [`ExternalComponent ${irc} ${step}`],
        text: expect.any(String),
      });
      expect(seen.text).not.toContain("component_secret");
      expect(await stack.up()).toEqual(done);
      expect(await logIn(irc, odd)).toBe("accepted");
      expect(await mainPid()).toBe(before);
    },
    120_000,
  );

  test("a broken main file and a broken component are repaired by one up", async () => {
    await host.exec(
      `echo 'admins = {' >> /etc/prosody/prosody.cfg.lua; echo '"' >> /etc/prosody/component-${irc}.cfg.lua`,
    );
    expect((await stack.drift()).rows).toEqual([
      "Configuration prosody update",
      `ExternalComponent ${irc} update`,
    ]);
    expect(await stack.up()).toEqual(done);
    expect(await stack.drift()).toEqual(clean);
  }, 120_000);

  test("another secret ends that component's connection, and nobody else's", async () => {
    const before = await mainPid();
    const client = await connect(xmpp(), alice);
    const [own, other] = await Promise.all([
      Component.open(host.address, 5347, irc, odd),
      Component.open(host.address, 5347, matrix, "own"),
    ]);
    held = other.component;
    await stack.configure({
      components: { irc: secret("second"), matrix: { domains: { "example.test": secret("own") } } },
    });
    expect(await stack.up()).toEqual(done);
    expect([own.component.isConnected, held.isConnected, await client.end()]).toEqual([false, true, "alive"]);
    expect([await logIn(irc, odd), await logIn(irc, "second")]).toEqual(["not-authorized", "accepted"]);
    expect(await mainPid()).toBe(before);
  }, 120_000);

  test("another port serves new connections, and those that are there stay", async () => {
    await stack.configure({ ports: { components: 15347 } });
    expect(await stack.up()).toEqual(done);
    expect(await logIn(irc, "second", 15347)).toBe("accepted");
    expect(await logIn(irc, "second")).toBe("no connection");
    expect(held?.isConnected).toBe(true);
  }, 120_000);

  test("one that leaves the stack config goes, also where its name becomes that of the rooms", async () => {
    const before = await mainPid();
    await stack.configure({
      components: { matrix: { domains: { "example.test": secret("own") } } },
      conference: { subdomain: "irc" },
    });
    expect(await stack.up()).toEqual(done);
    expect(await host.exec("ls /etc/prosody | grep component")).toBe(`component-${matrix}.cfg.lua\n`);
    expect(await logIn(irc, "second", 15347)).not.toBe("accepted");
    expect([await mainPid(), held?.isConnected]).toEqual([before, true]);
    expect(await stack.drift()).toEqual(clean);
  }, 120_000);

  test("destroy leaves none of their files", async () => {
    expect(await stack.destroy()).toEqual(done);
    expect(await host.exec("ls /etc/prosody 2>/dev/null | grep component || true")).toBe("");
  }, 120_000);
});

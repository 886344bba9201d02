import { login } from "../../tools/login";
import { distributions, everywhere } from "../helpers/distribution";
import { hostConfig } from "../helpers/host";
import { type Certificate, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";
import { connect } from "../helpers/xmpp";

const alice = { jid: "alice@example.test", password: 'q"u\\o<t>&e é' };
const bob = { jid: "bob@example.test", password: "Bob's first" };
const carol = { jid: "carol@example.test", password: "Carol's only" };
const clean = { code: 0, rows: [], text: expect.any(String) };
const mallory = "mallory@example.test";

describe.each(everywhere)("a server on %s", (_title, release) => {
  const distribution = distributions[release];
  let host: LabHost;
  let stack: Stack;
  let tls: Certificate;
  const xmpp = () => ({ address: host.address, port: 5222, caFile: tls.caFile });
  const mainPid = async () => (await host.exec("systemctl show -P MainPID prosody")).trim();

  beforeAll(async () => {
    host = await lab(`server-${release}`, { release });
    tls = await certificate("example.test");
    stack = await Stack.create({
      host: hostConfig(host),
      domains: domains(tls),
      jids: {
        [alice.jid]: secret(alice.password),
        [bob.jid]: secret(bob.password),
        [carol.jid]: { password: secret(carol.password), policy: "enforced" },
        [mallory]: null,
      },
      admins: [alice.jid],
    });
  }, 300_000);

  afterAll(() => {
    stack?.remove();
  });

  test("the first up makes a server that users log in to", async () => {
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({ code: 0, text: expect.stringContaining("created") });
    expect(await login(xmpp(), alice)).toEqual({ jid: "alice@example.test/login", protocol: "TLSv1.3" });
    expect(await login(xmpp(), { ...alice, password: "wrong" })).toEqual({ error: "not-authorized" });
    expect(await login(xmpp(), { jid: mallory, password: "" })).toEqual({ error: "not-authorized" });
  }, 300_000);

  test("up again changes nothing and restarts nothing", async () => {
    const before = await mainPid();
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({ code: 0, text: expect.stringMatching(/Resources:\n +\d+ unchanged/) });
    expect(text).not.toContain("[diff");
    const drift = await stack.drift();
    expect(drift).toEqual(clean);
    expect(drift.text).not.toContain("servers"); // nor is an output another, or unknown
    expect(await mainPid()).toBe(before);
  }, 60_000);

  describe("drift", () => {
    const drifts: [what: string, byHand: string, rows: string[], detail: RegExp][] = [
      [
        "the configuration edited",
        "echo 'motd_text = \"edited\"' >> /etc/prosody/prosody.cfg.lua",
        ["Configuration prosody update"],
        /- motd_text = "edited"/,
      ],
      [
        "the configuration's mode changed",
        "chmod 0644 /etc/prosody/prosody.cfg.lua",
        ["Configuration prosody update"],
        /~ mode +: "0644" => "0640"/,
      ],
      [
        "the service stopped",
        "systemctl stop prosody",
        ["Service prosody update"],
        /~ active +: false => true/,
      ],
      [
        "the service disabled",
        "systemctl disable prosody 2>&1",
        ["Service prosody update"],
        /~ enabled *: false => true/,
      ],
      [
        "the certificate replaced",
        "cd /etc/prosody/certs && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 " +
          "-subj /CN=other -keyout example.test.key -out example.test.crt 2>&1",
        ["Certificate example.test update"],
        /~ chain/,
      ],
      [
        "an account deleted",
        "prosodyctl deluser bob@example.test 2>&1",
        ["Account bob@example.test create"],
        /\+ pulumi-nodejs:prosody:Account: \(create\)/,
      ],
      [
        "a forbidden account made",
        "printf 'x\\nx\\n' | prosodyctl adduser mallory@example.test 2>&1",
        ["Account mallory@example.test update"],
        /~ exists *: true => false/,
      ],
      [
        "the password of an enforced JID changed",
        "printf 'y\\ny\\n' | prosodyctl passwd carol@example.test 2>&1",
        ["Account carol@example.test update"],
        /pulumi-nodejs:prosody:Account: \(update\)/,
      ],
      [
        "the package removed",
        distribution.remove("prosody"),
        distribution.family === "debian"
          ? ["Package prosody update", "Package prosody-modules update", "Service prosody update"]
          : // Fedora's takes the link to the certificates along, and puts an edited configuration aside.
            [
              "Certificate example.test create",
              "Configuration prosody create",
              "Package prosody update",
              "Service prosody update",
            ],
        /~ installed *: false => true/,
      ],
    ];

    test.each(drifts)(
      "%s shows in a plain preview, and up repairs it",
      async (_what, byHand, rows, detail) => {
        await host.exec(byHand);
        expect(await stack.drift()).toEqual({ code: 7, rows, text: expect.stringMatching(detail) });
        expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
      },
      180_000,
    );

    test("one up repairs all of it at once", async () => {
      for (const [what, byHand] of drifts)
        if (!what.includes("package")) await host.exec(byHand).catch(() => "");
      await host.exec(
        "systemctl start prosody; printf 'x\\nx\\n' | prosodyctl adduser mallory@example.test || true",
      );
      await host.exec(drifts.at(-1)![1]);
      expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
      expect(await stack.drift()).toEqual(clean);
      expect(await login(xmpp(), alice)).toMatchObject({ jid: "alice@example.test/login" });
      expect(await login(xmpp(), bob)).toMatchObject({ jid: "bob@example.test/login" });
      expect(await login(xmpp(), carol)).toMatchObject({ jid: "carol@example.test/login" });
      expect(await login(xmpp(), { jid: mallory, password: "x" })).toEqual({ error: "not-authorized" });
    }, 300_000);
  });

  test("one up makes the server again on a host that lost everything", async () => {
    await host.exec(distribution.lose);
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect(await stack.drift()).toEqual(clean);
    expect(await login(xmpp(), alice)).toMatchObject({ jid: "alice@example.test/login" });
  }, 180_000);

  describe("an up that does not work leaves the old server running and says why", () => {
    const faults: [
      what: string,
      change: () => Promise<Record<string, unknown>> | Record<string, unknown>,
      why: RegExp,
    ][] = [
      [
        "a configuration that Prosody refuses",
        () => ({ options: { authentication: "nonesuch" } }),
        /nonesuch/,
      ],
      ["a module that does not exist", () => ({ extraModules: ["nonesuch"] }), /module.*nonesuch/],
      [
        "a port already taken",
        async () => {
          await host.exec(
            "systemd-run --quiet --unit=taken systemd-socket-activate --listen=15269 cat; " +
              "until ss -Hltn | grep -q :15269; do sleep 0.05; done",
          );
          return { ports: { server: 15269 } };
        },
        /15269.*systemd-socket/,
      ],
      [
        "a key that does not fit its certificate",
        async () => {
          const other = await certificate("other.test");
          return { domains: domains({ ...tls, keyFile: other.keyFile }) };
        },
        /prosody:domains\["example\.test"\].*key/,
      ],
    ];

    test.each(faults)(
      "%s",
      async (_what, change, why) => {
        const files = () => host.exec("cd /etc/prosody && find . -type f | sort | xargs md5sum");
        const before = { pid: await mainPid(), files: await files() };
        const session = await connect(xmpp(), alice);
        await stack.configure(await change());
        const { code, text } = await stack.up();
        const client = await session.end();
        expect({ failed: code !== 0, text, client }).toEqual({
          failed: true,
          text: expect.stringMatching(why),
          client: "alive",
        });
        expect({ pid: await mainPid(), files: await files() }).toEqual(before);

        await host.exec("systemctl stop taken 2>&1 || true");
        await stack.configure({
          options: undefined,
          extraModules: undefined,
          ports: undefined,
          domains: domains(tls),
        });
        expect((await stack.up()).code).toBe(0);
        expect(await stack.drift()).toEqual(clean);
      },
      180_000,
    );
  });

  test("destroy leaves the host without what the stack made, and with archives of what it deleted", async () => {
    const { code, text } = await stack.destroy();
    expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
    expect(await host.exec(distribution.version("prosody"))).toBe("");
    expect(await host.exec("ls /etc/prosody/certs/example.test.* 2>&1 || true")).toContain("No such file");
    const archives = (await host.exec("ls /var/backups/prosody-pulumi")).trim().split("\n");
    for (const { jid } of [alice, bob, carol]) {
      expect(archives).toContainEqual(expect.stringMatching(new RegExp(`^${jid}-.*\\.tar\\.gz$`)));
    }
  }, 180_000);
});

function domains(tls: Certificate) {
  return {
    "example.test": filesOf(tls),
  };
}

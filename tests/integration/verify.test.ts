import { once } from "node:events";
import { hostConfig } from "../helpers/host";
import { allReleases, type Certificate, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { RawXmpp } from "../helpers/raw-xmpp";
import { Stack, secret } from "../helpers/stack";

/** What `verify --json` prints, as far as it matters here. */
interface Result {
  passed: number;
  of: number;
  suites: Record<"classic" | "current" | "informational", { passed: number; of: number }>;
  servers: { version: string; lines: { domain: string; name: string; status: string; detail?: string }[] }[];
}

const beyondAscii = "xn--bcher-kva.test";
const user = "alice@example.test";

/** Lua for the running server, which nothing in the stack config or on the disk says. */
const unload = (module: string, host = "example.test") =>
  `require"core.modulemanager".unload("${host}","${module}")`;
const set = (host: string, option: string, value: string, module: string) =>
  `require"core.configmanager".set("${host}","${option}",${value}) require"core.modulemanager".reload("${host}","${module}")`;

/** What is broken in the running server, and the lines that say so, with the reason. */
const faults: [byHand: string, lines: Record<string, RegExp>][] = [
  [unload("carbons"), { "Message Carbons": /does not announce urn:xmpp:carbons:2/ }],
  [unload("mam"), { "Message Archive Management": /does not announce urn:xmpp:mam:2/ }],
  [unload("smacks"), { "Stream Management": /does not offer it/ }],
  [unload("csi_simple"), { "Client State Indication": /nothing is held back|does not offer it/ }],
  [unload("blocklist"), { "Blocking Command": /does not announce urn:xmpp:blocking/ }],
  [unload("cloud_notify"), { "Push Notifications": /does not announce urn:xmpp:push:0/ }],
  [unload("offline"), { "Offline Message Storage": /does not announce msgoffline/ }],
  [unload("private"), { "Private XML Storage": /service-unavailable/ }],
  [
    unload("bookmarks"),
    { "PEP Native Bookmarks": /bookmarks:1#compat/, "Bookmarks Conversion": /bookmarks-conversion:0/ },
  ],
  [
    unload("vcard_legacy"),
    {
      "vcard-temp": /service-unavailable/,
      "User Avatar to vCard-Based Avatars Conversion": /pep-vcard-conversion:0/,
    },
  ],
  [
    unload("invitation_page"),
    { "An invited person makes the account in the browser": /the server gives no link to a page/ },
  ],
  [unload("ping"), { "XMPP Ping": /service-unavailable/ }],
  [unload("time"), { "Entity Time": /service-unavailable/ }],
  [unload("version"), { "Software Version": /service-unavailable/ }],
  [
    unload("muc_mam", "conference.example.test"),
    { "Message Archive Management (MUC)": /does not announce urn:xmpp:mam:2/ },
  ],
  [
    set("conference.example.test", "restrict_room_creation", "false", "muc"),
    { "Who may create rooms": /who may not create rooms gets a room/ },
  ],
  [
    set("upload.example.test", "http_file_share_size_limit", "100000", "http_file_share"),
    { "HTTP File Upload": /takes 100000 bytes, not 104857600/ },
  ],
  [unload("proxy65", "proxy.example.test"), { "SOCKS5 Bytestreams (Proxy)": /proxy\.example\.test/ }],
  [
    'require"core.portmanager".deactivate("c2s_direct_tls")',
    { "SRV records for XMPP over TLS": /no connection to .*:5223 \(ECONNREFUSED\)/ },
  ],
  [
    'require"core.portmanager".deactivate("s2s")',
    { "Other servers reach this one, certificate valid": /no connection to .*:5269 \(ECONNREFUSED\)/ },
  ],
];

const sasl2Lines = ["Extensible SASL Profile", "Bind 2", "Fast Authentication Streamlining Tokens"];

/** As {@link faults}, one after the other, in a server with community modules. */
const faultsOfCommunityModules: typeof faults = [
  [unload("csi_battery_saver"), { "Client State Indication": /nothing is held back|does not offer it/ }],
  [
    set("example.test", "sasl2_fast_token_ttl", "-1", "sasl2_fast"),
    { "Fast Authentication Streamlining Tokens": /the log-in with the token ends with not-authorized/ },
  ],
  [unload("sasl2_fast"), { "Fast Authentication Streamlining Tokens": /the log-in brings no token/ }],
  [unload("sasl2_bind2"), { "Bind 2": /the log-in brings no resource/ }],
  [unload("sasl2"), { "Extensible SASL Profile": /the server does not offer it/ }],
];

/** These concern both virtual hosts. */
const ofTheServer = ["SRV records for XMPP over TLS", "Other servers reach this one, certificate valid"];

describe.each(allReleases)("verify on %s", (release) => {
  let host: LabHost;
  let stack: Stack;
  let tls: Certificate;

  const options = () => ["--address", host.address, "--ca", tls.caFile];
  const verify = async (...more: string[]) => {
    const { code, stdout, stderr } = await stack.capture("verify", ...options(), "--json", ...more);
    if (!stdout) throw new Error(`verify ended with ${code}: ${stderr}`);
    const result = JSON.parse(stdout) as Result;
    return { code, result, lines: result.servers.flatMap(({ lines }) => lines) };
  };
  const lua = (code: string) => host.exec(`prosodyctl shell --quiet <<'END'\n> ${code} return "done"\nEND`);
  const leftovers = async () =>
    (await host.exec("find /var/lib/prosody /var/backups/prosody-pulumi 2>/dev/null || true"))
      .split("\n")
      .filter((file) => file.includes("verify"));

  beforeAll(async () => {
    host = await lab(`verify-${release}`, { release });
    tls = await certificate("example.test");
    const other = await certificate(beyondAscii);
    stack = await Stack.create({
      host: hostConfig(host),
      domains: { "example.test": filesOf(tls), [beyondAscii]: filesOf(other) },
      jids: { [user]: secret("Alice's own") },
      admins: [user],
    });
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
  }, 300_000);

  afterAll(() => {
    stack?.remove();
  });

  test("a default server passes whole, in all its domains, with all that the release can do", async () => {
    const { code, result, lines } = await verify();
    const others = lines.filter(({ status }) => status !== "passed");
    const sasl2 = release === "bookworm" ? "not there" : "off";
    const each = [
      ["Extensible SASL Profile", sasl2],
      ["Bind 2", sasl2],
      ["Fast Authentication Streamlining Tokens", sasl2],
      ["Other servers reach this one over direct TLS", "off"],
      ["Moderated Message Retraction", "off"],
      ...(release === "bookworm" ? [["Discovering Alternative Connection Methods (HTTP)", "not there"]] : []),
      ["Client in the browser", "off"],
      ["Talking to another server", "untested"],
    ];
    expect(others.map(({ name, status }) => [name, status])).toEqual([...each, ...each]);
    expect({ code, suites: result.suites }).toEqual({
      code: 0,
      suites: {
        classic: { passed: 30, of: 30 },
        current: { passed: 42, of: 42 },
        informational: { passed: release === "bookworm" ? 6 : 8, of: 8 },
      },
    });
  }, 300_000);

  test("nothing is left of the accounts, rooms and files that it made, and the users are as they were", async () => {
    expect(await leftovers()).toEqual([]);
    expect(await stack.drift()).toMatchObject({ code: 0, rows: [] });
  }, 60_000);

  test("what is switched off behind its back fails in exactly its own lines, with the reason", async () => {
    for (const [byHand] of faults) await lua(byHand);
    const { code, lines } = await verify();
    await host.exec(
      "systemctl restart prosody; until prosodyctl shell --quiet server version >/dev/null; do sleep .1; done",
    );
    const expected = Object.fromEntries(
      faults.flatMap(([, broken]) =>
        Object.entries(broken).map(([name, why]) => [name, expect.stringMatching(why)]),
      ),
    );
    const failed = lines.filter(({ status }) => status === "failed");
    const here = failed.filter(({ domain }) => domain === "example.test");
    expect(Object.fromEntries(here.map(({ name, detail }) => [name, detail]))).toEqual(expected);
    const elsewhere = failed.filter(({ domain }) => domain === beyondAscii).map(({ name }) => name);
    expect(elsewhere).toEqual(ofTheServer);
    expect(code).toBe(1);
  }, 120_000);

  test("what the stack config switches off is no failure", async () => {
    await stack.configure({ upload: false, disabledModules: ["cloud_notify", "carbons"] });
    expect((await stack.up()).code).toBe(0);
    const { code, lines } = await verify();
    const off = lines.filter(({ status, domain }) => status === "off" && domain === "example.test");
    expect(off.map(({ name }) => name)).toEqual([
      ...(release === "bookworm" ? [] : sasl2Lines),
      "Other servers reach this one over direct TLS",
      "Message Carbons",
      "Push Notifications",
      "Moderated Message Retraction",
      "HTTP File Upload",
      "HTTP File Upload from web pages (CORS)",
      "Client in the browser",
    ]);
    expect(lines.filter(({ status }) => status === "failed")).toEqual([]);
    expect(code).toBe(0);
  }, 180_000);

  test("an invitation makes one account, once; an account that exists gets none", async () => {
    const invite = (...more: string[]) => stack.capture("invite", ...more);
    const { code, stdout } = await invite("--link", "dave@example.test");
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^https:\/\/example\.test:5281\/invite\/\?[\w-]+\n$/),
    });
    const token = /\?(\S+)/.exec(stdout)![1];
    const register = async (name: string) => {
      const xmpp = await RawXmpp.open(host.address, tls.caFile, "example.test");
      const iq = (content: string) =>
        xmpp.ask(`<iq type='set' id='i' to='example.test'>${content}</iq>`, /<iq [^>]*id='i'.*?(\/>|<\/iq>)/);
      const shown = await iq(`<preauth xmlns='urn:xmpp:pars:0' token='${token}'/>`);
      const made = shown.includes("type='error'")
        ? shown
        : await iq(
            `<query xmlns='jabber:iq:register'><username>${name}</username><password>dave@example.test</password></query>`,
          );
      xmpp.close();
      return /type='(\w+)'/.exec(made)![1];
    };
    expect(await register("erin")).toBe("error"); // it is for one name
    expect(await register("dave")).toBe("result");
    (await RawXmpp.logIn(host.address, tls.caFile, "dave@example.test")).close();
    expect(await register("erin")).toBe("error");
    expect(await invite("dave@example.test")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/there is such an account already/),
    });
    await host.exec("prosodyctl deluser dave@example.test");
  }, 60_000);

  test("what a killed run has left is removed by a later one; accounts of others stay", async () => {
    const make = (name: string) => host.exec(`printf 'x\\nx\\n' | prosodyctl adduser ${name}@example.test`);
    await make("verify-6553f100-abcdef-1");
    await make("verify-me");
    const now = Math.floor(Date.now() / 1000).toString(16);
    await make(`verify-${now}-abcdef-1`); // of a run that goes on at this moment
    const { code } = await verify("--only", "XEP-0199");
    expect(code).toBe(0);
    const names = (await leftovers()).filter((file) => file.includes("/accounts/"));
    expect(names.map((file) => file.replace(/.*\//, "")).sort()).toEqual([
      `verify%2d${now}%2dabcdef%2d1.dat`,
      "verify%2dme.dat",
    ]);
    await host.exec(
      `prosodyctl deluser verify-me@example.test; prosodyctl deluser verify-${now}-abcdef-1@example.test`,
    );
  }, 60_000);

  test("^C ends it early, with nothing left behind", async () => {
    const child = stack.start("verify", ...options());
    const ended = once(child, "close");
    for (;;) {
      if ((await leftovers()).length > 0) break;
      if (child.exitCode !== null) throw new Error("it ended before it was interrupted");
    }
    child.kill("SIGINT");
    const [code] = await ended;
    expect({ code, left: await leftovers() }).toEqual({ code: 2, left: [] });
  }, 60_000);

  if (release !== "fedora")
    test("what community modules add is tried, fails nothing else, and fails where it is gone", async () => {
      const hasSasl2 = release === "trixie";
      const more = hasSasl2 ? ["sasl2", "sasl2_bind2", "sasl2_sm", "sasl2_fast"] : [];
      await stack.configure({ extraModules: ["muc_moderation", "csi_battery_saver", ...more] });
      expect((await stack.up()).code).toBe(0);
      const { code, lines } = await verify();
      expect(lines.filter(({ status }) => status === "failed")).toEqual([]);
      const passed = lines.filter(({ status }) => status === "passed").map(({ name }) => name);
      expect(passed).toEqual(
        expect.arrayContaining([
          "Moderated Message Retraction",
          "Client State Indication",
          ...(hasSasl2 ? sasl2Lines : []),
        ]),
      );
      expect(code).toBe(0);
      for (const [byHand, broken] of faultsOfCommunityModules.slice(0, hasSasl2 ? undefined : 1)) {
        await lua(byHand);
        for (const [name, why] of Object.entries(broken)) {
          const { lines } = await verify("--only", name);
          const line = lines.find((line) => line.name === name && line.domain === "example.test");
          expect(line).toMatchObject({ status: "failed", detail: expect.stringMatching(why) });
        }
      }
      await stack.configure({ extraModules: undefined });
      expect((await stack.up()).code).toBe(0);
    }, 240_000);

  test("an authority that is not trusted fails what goes over TLS, and says so", async () => {
    const { code, stdout } = await stack.capture("verify", "--address", host.address, "--only", "STARTTLS");
    expect(stdout).toMatch(
      /Log-in over STARTTLS, with SCRAM… +FAILED +TLS for example\.test: UNABLE_TO_GET_ISSUER_CERT_LOCALLY/,
    );
    expect(stdout).toMatch(/turned green by: prosody:domains\["example\.test"\]\.intermediates, or --ca/);
    expect(code).toBe(1);
    const web = await stack.capture("verify", "--address", host.address, "--only", "RFC 7395 WebSocket");
    expect(web.stdout).toMatch(
      /WebSocket… +FAILED +wss:.*: UNABLE_TO_GET_ISSUER_CERT_LOCALLY\n +turned green by: prosody:domains/,
    );
  }, 60_000);

  test("a server that is stopped for a moment, as by a backup, is waited for", async () => {
    await host.exec("systemctl stop prosody");
    const asked = stack.capture("verify", ...options(), "--only", "XEP-0199");
    const isAsking = "until pgrep -f '[=]program' >/dev/null; do sleep 0.02; done";
    await host.exec(`timeout 30 sh -c "${isAsking}"; sleep 1; systemctl start prosody`);
    expect(await asked).toMatchObject({ code: 0 });
  }, 90_000);

  test("where it can't run, it says why and ends with 2", async () => {
    await host.exec("systemctl stop prosody");
    const { code, stderr } = await stack.capture("verify", ...options());
    await host.exec("systemctl start prosody");
    expect(stderr).toMatch(/Prosody's admin socket does not answer/);
    expect(code).toBe(2);
  }, 60_000);
});

import { readFileSync } from "node:fs";
import { login } from "../../tools/login";
import { hostConfig } from "../helpers/host";
import { type Certificate, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";

/** As an administrator may have written it by hand. */
const theirs = `
admins = { "boss@example.test" }
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "admin_shell", "motd", "posix" }
motd_text = "Welcome"
turn_external_secret = "hush hush"
c2s_ports = { 5222, 15222 }
certificates = "certs"
log = { info = "/var/log/prosody/prosody.log" }
VirtualHost "example.test"
VirtualHost "other.test"
Component "rooms.example.test" "muc"
`;

describe("a server that runs already, on Debian trixie", () => {
  let host: LabHost;
  let stack: Stack;
  let tls: Certificate;
  const server = () => ({ address: host.address, port: 5222, caFile: tls.caFile });
  const addUser = (jid: string, password: string) =>
    `printf '${password}\\n${password}\\n' | prosodyctl adduser ${jid}`;
  const accounts = async () =>
    (await host.exec("cd /var/lib/prosody/example%2etest/accounts && ls"))
      .replaceAll(".dat", "")
      .trim()
      .split("\n");
  const compare = () => stack.tool(["compare", "--stack", "test"]);
  /** Prosody notes in cron.dat when it last tidied up, which it does of its own accord. */
  const traces = () =>
    host.exec(
      "cd / && find etc/prosody var/lib/prosody -type f ! -name cron.dat | sort | xargs md5sum; systemctl show -P MainPID prosody",
    );

  const settings = () => ({
    domains: {
      "example.test": filesOf(tls),
    },
    jids: {
      "boss@example.test": secret("new"),
      "alice@example.test": secret("hers too"),
      "erin@example.test": { password: secret("as the stack config"), policy: "enforced" },
      "frank@example.test": { password: secret("enforced here"), policy: "enforced" },
    },
    admins: ["boss@example.test"],
  });

  beforeAll(async () => {
    host = await lab("adoption");
    tls = await certificate("example.test");
    const pem = (...names: string[]) => names.map((name) => readFileSync(name, "utf8")).join("");
    const put = (name: string, text: string) =>
      `install -m 0640 -g prosody /dev/stdin /etc/prosody/${name} <<'EOF'\n${text}EOF\n`;
    await host.exec(
      "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends prosody >/dev/null 2>&1\n" +
        put("certs/example.test.crt", pem(tls.certificateFile, tls.intermediateFile)) +
        put("certs/example.test.key", pem(tls.keyFile)) +
        put("prosody.cfg.lua", theirs) +
        "systemctl restart prosody; for i in $(seq 100); do ss -lx | grep -q prosody.sock && break; sleep .1; done\n" +
        [
          addUser("boss@example.test", "old"),
          addUser("carol@example.test", "hers"),
          addUser("erin@example.test", "as the stack config"),
          addUser("frank@example.test", "another one"),
          addUser("dave@other.test", "his"),
        ].join("; "),
    );
    stack = await Stack.create({ host: hostConfig(host), ...settings() });
  }, 300_000);

  afterAll(() => stack?.remove());

  test("is shown beside the stack config, without a change and without its secrets", async () => {
    const before = await traces();
    const { code, text } = await compare();
    expect(code).toBe(1);
    for (const line of [
      "- other.test: up takes it out of the configuration; its data stay on the host.",
      "- rooms.example.test: up takes it out of the configuration; its data stay on the host. To keep it: prosody:conference.subdomain: rooms",
      "+ conference.example.test",
      "- motd: up unloads it. To keep it: prosody:extraModules: [motd]",
      "+ mam",
      "- 15222 (c2s): up closes it.",
      "+ 5281 (https)",
      "+ alice@example.test",
      "~ frank@example.test: up sets its password (policy enforced)",
      "carol@example.test: not in prosody:jids, so it is left alone",
      `pulumi config set --path --secret 'jids["carol@example.test"]'`,
      '-motd_text = "Welcome"',
      "-turn_external_secret = [secret]",
    ])
      expect(text).toContain(line);
    for (const jid of ["boss@example.test", "erin@example.test"]) expect(text).not.toContain(`${jid}: `);
    expect(text).not.toContain("hush");
    expect(await traces()).toBe(before);
  }, 120_000);

  test("is not looked at while an option stands in a misspelt namespace, which the engine takes", async () => {
    await stack.must("config", "set", "--path", "prosdy:ports.https", "8443");
    expect(await compare()).toEqual({
      code: 2,
      text: expect.stringContaining("prosdy:ports: there is no such option; did you mean prosody:ports?"),
    });
    await stack.must("config", "rm", "prosdy:ports");
  }, 60_000);

  test("is taken over by up: accounts keep their passwords, nothing of anybody is lost", async () => {
    await stack.configure({ extraModules: ["motd"], options: { motd_text: "Welcome" } });
    expect(await stack.up()).toEqual({
      code: 0,
      text: expect.stringContaining(
        "other.test leaves the configuration, and 1 account of it loses its access.",
      ),
    });
    expect(await login(server(), { jid: "boss@example.test", password: "old" })).toHaveProperty("jid");
    expect(await login(server(), { jid: "carol@example.test", password: "hers" })).toHaveProperty("jid");
    expect(await login(server(), { jid: "alice@example.test", password: "hers too" })).toHaveProperty("jid");
    expect(await host.exec("ls /var/lib/prosody/other%2etest/accounts")).toBe("dave.dat\n");
    expect(await host.exec("cat /var/backups/prosody-pulumi/original/files/prosody.cfg.lua")).toBe(theirs);
    expect(await stack.drift()).toMatchObject({ code: 0, rows: [] });
  }, 240_000);

  test("and after that only what is left alone is told", async () => {
    const { text } = await compare();
    expect(text).toContain("carol@example.test: not in prosody:jids");
    expect(text.split("\n").filter((line) => /^ *[-+~] /.test(line))).toEqual([]);
  }, 60_000);

  test("a domain that is about to go: the preview tells what becomes of who is not in the stack config", async () => {
    const other = await certificate("new.test");
    const { domains, jids, admins } = settings();
    await stack.configure({ domains: { "new.test": filesOf(other) }, jids: {}, admins: [] });
    expect((await stack.preview()).text).toContain(
      "example.test leaves the configuration, and every account of it that is not in prosody:jids",
    );
    await stack.configure({ domains, jids, admins });
    expect((await stack.preview()).text).not.toContain("leaves the configuration");
  }, 60_000);

  test("an account that was there goes, too, once the stack config has it no more", async () => {
    await stack.must("config", "rm", "--path", 'prosody:jids["frank@example.test"]');
    expect(await stack.up()).toMatchObject({ code: 0 });
    expect(await accounts()).toEqual(["boss", "carol", "erin", "alice"].sort());
  }, 120_000);

  test("destroy gives the administrator's configuration back, and leaves the accounts that were there", async () => {
    expect(await stack.destroy()).toMatchObject({ code: 0 });
    expect(await host.exec("cat /etc/prosody/prosody.cfg.lua")).toBe(theirs);
    expect(await accounts()).toEqual(["boss", "carol", "erin"]);
    expect(await login(server(), { jid: "boss@example.test", password: "old" })).toHaveProperty("jid");
  }, 120_000);
});

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { login } from "../../tools/login";
import { hostConfig } from "../helpers/host";
import { allReleases, type Certificate, certificate, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";

const first = "canary-first-Password";
const second = "canary-second-Password";
const filed = { jid: "bob@example.test", password: "canary-filed-Password" };
const option = "canary-option-value";

const canaries = [first, second, filed.password, option].map((text) => `-e ${text}`).join(" ");

describe.each(allReleases)("secrets on %s", (release) => {
  let host: LabHost;
  let stack: Stack;
  let tls: Certificate;
  let shown = "";
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-jids-"));
  const jidsFile = path.join(directory, "jids.yaml");
  const see = async (run: Promise<{ code: number; text: string }>) => {
    const { code, text } = await run;
    shown += text;
    return code;
  };

  beforeAll(async () => {
    host = await lab(`secrets-${release}`, { release });
    tls = await certificate("example.test");
    fs.writeFileSync(jidsFile, `${filed.jid}: "${filed.password}"\n`, { mode: 0o600 });
    stack = await Stack.create({
      host: hostConfig(host),
      domains: {
        "example.test": {
          certificate: tls.certificateFile,
          key: secret(fs.readFileSync(tls.keyFile, "utf8")),
          intermediates: [tls.intermediateFile],
        },
      },
      jids: { "alice@example.test": { password: secret(first), policy: "enforced" } },
      jidsFile,
      options: { canary_option: secret(option) },
    });
    await host.exec(
      'systemd-run --quiet --unit=watch sh -c \'while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; sleep 0.02; done | tr "\\\\0" "\\\\n" | grep -a --line-buffered canary >/run/seen\'',
    );
    expect(await see(stack.preview("--diff"))).toBe(0);
    expect(await see(stack.up("--diff"))).toBe(0);
    await stack.configure({
      jids: { "alice@example.test": { password: secret(second), policy: "enforced" } },
    });
    expect(await see(stack.preview("--diff"))).toBe(0);
    expect(await see(stack.up("--diff"))).toBe(0);
    // A drift of everything secret, so that reads and their diffs run through the engine, too.
    await host.exec(
      "printf 'canary-drift\\ncanary-drift\\n' | prosodyctl passwd alice@example.test >/dev/null 2>&1; " +
        "for f in /etc/prosody/*secret*; do echo '-- canary-drift' >>$f; done",
    );
    expect(await see(stack.preview("--diff"))).toBe(0);
    expect(await see(stack.preview("--json"))).toBe(0);
    expect(await see(stack.up("--diff"))).toBe(0);
  }, 600_000);

  afterAll(() => {
    stack?.remove();
    fs.rmSync(directory, { recursive: true });
  });

  const keyLines = () =>
    fs
      .readFileSync(tls.keyFile, "utf8")
      .split("\n")
      .filter((line) => line.length > 30 && !line.startsWith("-"));

  test("are in no preview and no output of an up", () => {
    expect(shown).not.toContain("canary-");
    for (const line of keyLines()) expect(shown).not.toContain(line);
  });

  test("are in no plain state", async () => {
    const state = await stack.export();
    for (const jid of ["alice@example.test", filed.jid]) expect(state).toContain(jid);
    expect(state).not.toContain("canary-");
    for (const line of keyLines()) expect(state).not.toContain(line.slice(0, 40));
    expect(state).toContain('"verifier"');
    expect(state).not.toContain("SCRAM-SHA-"); // after creation as after a refresh
  });

  test("are in no process list, log, history or temporary file of the host", async () => {
    await host.exec("systemctl stop watch; journalctl --sync");
    expect(await host.exec("grep canary- /run/seen | grep -v canary-drift || true")).toBe("");
    const places = "/var/log /root /home /tmp /run /var/tmp /var/backups /var/cache";
    expect(await host.exec(`grep -rlaF ${canaries} ${places} /var/lib/prosody || true`)).toBe("");
    expect(await host.exec(`journalctl --no-pager | grep -F ${canaries} || true`)).toBe("");
  });

  test("are where they belong", async () => {
    const xmpp = { address: host.address, port: 5222, caFile: tls.caFile };
    expect(await login(xmpp, filed)).toMatchObject({ jid: `${filed.jid}/login` });
    expect(await host.exec(`grep -rlF ${option} /etc/prosody | xargs stat -c '%a %U:%G'`)).toBe(
      "640 root:prosody\n",
    );
  });
});

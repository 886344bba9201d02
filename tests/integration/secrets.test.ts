import fs from "node:fs";
import { hostConfig } from "../helpers/host";
import { allReleases, type Certificate, certificate, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";

const first = "canary-first-Password";
const second = "canary-second-Password";
const option = "canary-option-value";

describe.each(allReleases)("secrets on %s", (release) => {
  let host: LabHost;
  let stack: Stack;
  let tls: Certificate;
  let shown = "";
  const see = async (run: Promise<{ code: number; text: string }>) => {
    const { code, text } = await run;
    shown += text;
    return code;
  };

  beforeAll(async () => {
    host = await lab(`secrets-${release}`, { release });
    tls = await certificate("example.test");
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

  afterAll(() => stack?.remove());

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
    expect(state).toContain("alice@example.test");
    expect(state).not.toContain("canary-");
    for (const line of keyLines()) expect(state).not.toContain(line.slice(0, 40));
    expect(state).toContain('"verifier"');
    expect(state).not.toContain("storedKey"); // after creation as after a refresh
  });

  test("are in no process list, log, history or temporary file of the host", async () => {
    await host.exec("systemctl stop watch; journalctl --sync");
    expect(await host.exec("grep canary- /run/seen | grep -v canary-drift || true")).toBe("");
    const places = "/var/log /root /home /tmp /run /var/tmp /var/backups /var/cache";
    expect(
      await host.exec(`grep -rlaF -e ${first} -e ${second} -e ${option} ${places} /var/lib/prosody || true`),
    ).toBe("");
    expect(
      await host.exec(`journalctl --no-pager | grep -F -e ${first} -e ${second} -e ${option} || true`),
    ).toBe("");
  });

  test("are where they belong", async () => {
    expect(await host.exec(`grep -rlF ${option} /etc/prosody | xargs stat -c '%a %U:%G'`)).toBe(
      "640 root:prosody\n",
    );
  });
});

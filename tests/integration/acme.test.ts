import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { certbotTimers } from "../../config/family";
import { distributions } from "../helpers/distribution";
import { hostConfig } from "../helpers/host";
import { allReleases, certificate, type LabHost, lab } from "../helpers/lab";
import { startPebble } from "../helpers/pebble";
import { Stack, secret } from "../helpers/stack";
import { connect } from "../helpers/xmpp";

const execute = promisify(execFile);
const alice = { jid: "alice@example.test", password: "Alice's only" };
const clean = { code: 0, rows: [], text: expect.any(String) };
const names = ["conference.", "", "proxy.", "turn.", "upload."].map((label) => `${label}example.test`);

describe.each(allReleases)("certificates on %s", (release) => {
  const timer = certbotTimers[distributions[release].family];
  let host: LabHost;
  let stack: Stack;
  let directory: string;
  const file = (name: string) => join(directory, name);
  const pid = (unit: string) => host.exec(`systemctl show -P MainPID ${unit}`);
  const lineage = "/etc/letsencrypt/live/example.test/fullchain.pem";
  const acme = () => ({
    email: "a@example.test",
    server: "https://127.0.0.1:14000/dir",
    caFile: file("directory.crt"),
  });

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "prosody-acme-"));
    host = await lab(`acme-${release}`, { release });
    const pebble = await startPebble(host);
    writeFileSync(file("directory.crt"), pebble.directoryAuthority);
    writeFileSync(file("root.crt"), pebble.root);
    stack = await Stack.create({
      host: hostConfig(host),
      domains: { "example.test": { acme: acme() } },
      jids: { [alice.jid]: secret(alice.password) },
    });
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
  }, 400_000);

  afterAll(() => {
    stack?.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Serial of the certificate that is served, which has to be valid. */
  async function served(port: number): Promise<string> {
    const how: Record<number, string> = {
      5222: "-starttls xmpp -xmpphost example.test",
      5223: "-alpn xmpp-client",
    };
    const name = { 5281: "upload.example.test", 5349: "turn.example.test" }[port] ?? "example.test";
    const { stdout } = await execute("bash", [
      "-c",
      `openssl s_client -connect ${host.address}:${port} ${how[port] ?? ""} -servername ${name} -verify_return_error ` +
        `-verify_hostname ${name} -CAfile ${file("root.crt")} </dev/null 2>&1 | openssl x509 -noout -serial`,
    ]);
    return stdout;
  }

  const ports = [5222, 5223, 5281, 5349];
  const servedEverywhere = async () => [...new Set(await Promise.all(ports.map(served)))];
  const newest = () => host.exec(`openssl x509 -noout -serial -in ${lineage}`);

  test("the first up gets a certificate for the domain and its services, and it is served", async () => {
    const said = await host.exec(`openssl x509 -noout -ext subjectAltName -in ${lineage}`);
    expect([...said.matchAll(/DNS:([^,\s]+)/g)].map(([, name]) => name).sort()).toEqual(names);
    expect(await servedEverywhere()).toEqual([await newest()]);
    expect(
      await host.exec(`stat -c '%a %U:%G' /etc/prosody/certs/example.test.*; systemctl is-active ${timer}`),
    ).toBe("640 root:prosody\n640 root:prosody\nactive\n");
  }, 400_000);

  test("up again changes nothing, restarts nothing, asks no authority", async () => {
    const before = [await pid("prosody"), await pid("coturn"), await newest()];
    expect(await stack.up()).toEqual({ code: 0, text: expect.stringMatching(/Resources:\n +\d+ unchanged/) });
    expect(await stack.drift()).toEqual(clean);
    expect([await pid("prosody"), await pid("coturn"), await newest()]).toEqual(before);
  }, 400_000);

  test("another e-mail address is the authority's, too; one that it does not take is told and stays a difference", async () => {
    const serial = await newest();
    const email = (address: string) =>
      stack.configure({ domains: { "example.test": { acme: { ...acme(), email: address } } } });
    await email("b..c@example.test");
    expect(await stack.up()).toEqual({
      code: 0,
      text: expect.stringMatching(
        /did not take the e-mail address b\.\.c@example\.test, .* not affected\. \S/,
      ),
    });
    expect((await stack.drift()).rows).toContain("AcmeCertificate example.test update");
    await email("b@example.test");
    expect(await stack.up()).toMatchObject({ code: 0 });
    const shown = `REQUESTS_CA_BUNDLE=/opt/pebble/ca.crt certbot show_account --server ${acme().server} 2>&1`;
    expect(await host.exec(shown)).toContain("b@example.test");
    expect(await stack.drift()).toEqual(clean);
    await email(acme().email);
    expect(await stack.up()).toMatchObject({ code: 0 });
    expect(await newest()).toBe(serial);
  }, 400_000);

  test("a renewal by the host's own timer is in service without a restart, and no drift", async () => {
    const before = [await pid("prosody"), await pid("coturn")];
    const serial = await newest();
    const client = await connect({ address: host.address, port: 5222, caFile: file("root.crt") }, alice);
    const conf = "/etc/letsencrypt/renewal/example.test.conf";
    const due = (days: number) =>
      host.exec(`sed -i 's/^#* *renew_before_expiry.*/renew_before_expiry = ${days} days/' ${conf}`);
    await due(365);
    await host.exec(`systemctl start ${timer.replace("timer", "service")}`);
    await due(30);
    expect(await newest()).not.toBe(serial);
    expect(await servedEverywhere()).toEqual([await newest()]);
    expect(await client.end()).toBe("alive");
    expect([await pid("prosody"), await pid("coturn")]).toEqual(before);
    expect(await stack.drift()).toEqual(clean);
  }, 400_000);

  test("a renewal that does not get to Prosody leaves the old one in service, shows, and is repaired", async () => {
    const before = await served(5222);
    await host.exec("echo '}' >> /etc/prosody/prosody.cfg.lua");
    const renew =
      "REQUESTS_CA_BUNDLE=/opt/pebble/ca.crt certbot renew --force-renewal --no-random-sleep-on-renew 2>&1";
    expect(await host.exec(renew)).toContain(
      "the one before stays in service: Prosody could not load its configuration",
    );
    expect(await newest()).not.toBe(before);
    expect(await Promise.all(ports.map(served))).toEqual([before, before, before, await newest()]); // coturn's last
    const drift = await stack.drift();
    expect(drift).toMatchObject({
      code: 7,
      rows: ["AcmeCertificate example.test update", "Configuration prosody update"],
    });
    expect(drift.text).toMatch(/~ deployed *: false => true/);
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect(await servedEverywhere()).toEqual([await newest()]);
    expect(await stack.drift()).toEqual(clean);
  }, 400_000);

  test("a renewal that could not get to Prosody is brought by the timer, once nothing keeps it from there", async () => {
    const renew =
      "REQUESTS_CA_BUNDLE=/opt/pebble/ca.crt certbot renew --force-renewal --no-random-sleep-on-renew";
    const [before, timers] = [await newest(), `systemctl start ${timer.replace("timer", "service")}`];
    await host.exec(
      `mv /etc/prosody/certs /etc/prosody/away; ${renew} 2>&1 || true; mv /etc/prosody/away /etc/prosody/certs`,
    );
    expect(await newest()).not.toBe(before);
    expect(await served(5222)).toBe(before);
    await host.exec(timers);
    expect(await servedEverywhere()).toEqual([await newest()]);
    const log = await host.exec("grep -c 'Reloading configuration' /var/log/prosody/prosody.log");
    await host.exec(timers); // nothing is missed now
    expect(await host.exec("grep -c 'Reloading configuration' /var/log/prosody/prosody.log")).toBe(log);
    expect(await stack.drift()).toEqual(clean);
    const dropIns = "/etc/systemd/system/certbot*.service.d/prosody-pulumi-example.test.conf";
    await host.exec(`sed -i 's#/bin/sh ##' ${dropIns}`); // as somebody, or an earlier version, wrote it
    expect((await stack.drift()).rows).toEqual(["AcmeCertificate example.test update"]);
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect(await stack.drift()).toEqual(clean);
  }, 400_000);

  test("near its end without a renewal, it shows with the reason, and up renews it", async () => {
    const before = await newest();
    const old = await certificate("example.test", { expiresInDays: 3, names }); // of a year
    const chain = readFileSync(old.certificateFile, "utf8") + readFileSync(old.intermediateFile, "utf8");
    const live = "/etc/letsencrypt/live/example.test";
    await host.exec(`cat > ${live}/fullchain.pem <<'END'\n${chain}END
cat > ${live}/cert.pem <<'END'\n${readFileSync(old.certificateFile, "utf8")}END
cat > ${live}/privkey.pem <<'END'\n${readFileSync(old.keyFile, "utf8")}END
RENEWED_LINEAGE=${live} /etc/letsencrypt/renewal-hooks/deploy/prosody-pulumi-example.test`);
    const drift = await stack.drift();
    expect(drift).toMatchObject({ code: 7, rows: ["AcmeCertificate example.test update"] });
    expect(drift.text).toMatch(/overdue *: "it expires in 2 days .* and was not renewed/);
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect(await newest()).not.toBe(before);
    expect(await servedEverywhere()).toEqual([await newest()]);
    expect(await stack.drift()).toEqual(clean);
  }, 400_000);

  test("another name asks for a new certificate; the authority's refusal leaves the old one, with its reason", async () => {
    const before = await served(5222);
    await stack.configure({ domains: { "example.test": { acme: { ...acme(), names: ["blocked.test"] } } } });
    const { code, text } = await stack.up();
    expect({ failed: code !== 0, text }).toEqual({
      failed: true,
      text: expect.stringMatching(
        /gave no certificate for example\.test[\s\S]*rejectedIdentifier[\s\S]*blocked\.test/,
      ),
    });
    expect(await servedEverywhere()).toEqual([before]);
    await stack.configure({
      domains: { "example.test": { acme: { ...acme(), names: ["www.example.test"] } } },
    });
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect(await host.exec(`openssl x509 -noout -ext subjectAltName -in ${lineage}`)).toContain(
      "DNS:www.example.test",
    );
    expect(await servedEverywhere()).toEqual([await newest()]);
    expect(await stack.drift()).toEqual(clean);
  }, 400_000);

  test("self-signed instead: the authority's is archived, and the host's own is served and kept", async () => {
    await stack.configure({ domains: { "example.test": { selfSigned: true } } });
    expect(await stack.up()).toEqual({ code: 0, text: expect.stringContaining("for trials") });
    expect(
      await host.exec("ls /etc/letsencrypt/renewal /etc/letsencrypt/renewal-hooks/deploy"),
    ).not.toContain("example.test");
    expect(await host.exec("ls /var/backups/prosody-pulumi")).toMatch(/acme-example\.test-\d+T\d+Z\.tar\.gz/);
    const serial = await host.exec("openssl x509 -noout -serial -in /etc/prosody/certs/example.test.crt");
    writeFileSync(file("root.crt"), await host.exec("cat /etc/prosody/certs/example.test.crt"));
    expect(await servedEverywhere()).toEqual([serial]);
    expect(await stack.drift()).toEqual(clean);
    await host.exec("chmod 0644 /etc/prosody/certs/example.test.key");
    expect((await stack.drift()).rows).toEqual(["SelfSignedCertificate example.test update"]);
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect(await stack.drift()).toEqual(clean);
  }, 400_000);
});

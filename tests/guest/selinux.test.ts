import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bootSelinuxGuest, type SelinuxGuest } from "../../lab/selinux-guest";
import { type Certificate, certificate, filesOf } from "../helpers/lab";
import { startPebble } from "../helpers/pebble";
import { Stack, secret } from "../helpers/stack";
import { connect } from "../helpers/xmpp";

const alice = { jid: "alice@example.test", password: "Alice's only" };
const port = 15222;

/** The whole program against a kernel that enforces SELinux. */
describe("on a host with SELinux enforcing", () => {
  let guest: SelinuxGuest;
  let stack: Stack;
  let tls: Certificate;

  const listening = () => guest.exec("ss -Hltn | awk '{print $4}' | sed 's/.*://' | sort -nu | tr '\\n' ' '");
  const label = async () =>
    (await guest.exec("semanage port -l -C -n")).split("\n").filter((line) => line.includes(String(port)));

  beforeAll(async () => {
    tls = await certificate("example.test");
    guest = await bootSelinuxGuest([port]);
    stack = await Stack.create({
      host: {
        address: guest.address,
        port: guest.sshPort,
        privateKeyFile: guest.privateKeyFile,
        hostKey: guest.hostKey,
        connectTimeout: 60,
      },
      domains: {
        "example.test": filesOf(tls),
      },
      jids: { [alice.jid]: secret(alice.password) },
      // The usual ones of clients and servers alone: Debian's policy knows them.
      ports: { https: false, proxy65: false, components: false },
      turn: false,
      selinux: "off",
    });
  }, 900_000);

  afterAll(async () => {
    stack?.remove();
    await guest?.end();
  });

  test("Prosody is confined, and serves the ports that the policy gives it", async () => {
    expect(await guest.exec("getenforce")).toBe("Enforcing\n");
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect(await guest.exec("ps -eo label,args | grep '[l]ua.*prosody'")).toMatch(/:jabberd_t:/);
    expect(await listening()).toBe("22 5222 5223 5269 ");
  }, 600_000);

  test("another port is refused without a label; the up fails, and the old server runs on", async () => {
    await stack.configure({
      ports: { clientStarttls: port, https: false, proxy65: false, components: false },
    });
    const { code, text } = await stack.up();
    expect({ failed: code !== 0, text }).toEqual({
      failed: true,
      text: expect.stringContaining(String(port)),
    });
    expect(await guest.exec("dmesg | grep -c 'avc: *denied *{ name_bind }.*src=15222' || true")).not.toBe(
      "0\n",
    );
    expect(await listening()).toBe("22 5222 5223 5269 ");
  }, 600_000);

  test("with it, the port is served", async () => {
    await stack.configure({ selinux: undefined });
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({
      code: 0,
      text: expect.stringContaining('"enforcing; labelled 15222/tcp as jabber_client_port_t"'),
    });
    expect(await label()).toHaveLength(1);
    expect(await listening()).toBe("22 5223 5269 15222 ");
    const session = await connect({ address: guest.address, port, caFile: tls.caFile }, alice);
    expect(await session.end()).toBe("alive");
    expect((await stack.drift()).rows).toEqual([]);
  }, 600_000);

  test("a label that somebody took away shows, and comes back", async () => {
    await guest.exec(`semanage port -d -p tcp ${port} 2>&1`);
    expect((await stack.drift()).rows).toEqual([`SelinuxPort ${port}/tcp update`]);
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect(await label()).toHaveLength(1);
  }, 600_000);

  test("the port goes, and its label after it", async () => {
    await stack.configure({ ports: { https: false, proxy65: false, components: false } });
    expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
    expect(await listening()).toBe("22 5222 5223 5269 ");
    expect(await label()).toEqual([]);
  }, 600_000);

  describe("with certificates by certbot", () => {
    const directory = mkdtempSync(join(tmpdir(), "prosody-selinux-"));
    const live = "/etc/letsencrypt/live/example.test";
    const serial = (file: string) => guest.exec(`openssl x509 -noout -serial -in ${file}`);
    const offered = () =>
      guest.exec(
        "openssl s_client -connect 127.0.0.1:5222 -starttls xmpp -xmpphost example.test </dev/null 2>/dev/null | openssl x509 -noout -serial",
      );

    const acme = (port: number) => ({
      email: "a@example.test",
      server: `https://127.0.0.1:${port}/dir`,
      caFile: join(directory, "directory.crt"),
    });

    beforeAll(async () => {
      const { directoryAuthority } = await startPebble({ exec: guest.exec, release: "trixie" }, 443);
      writeFileSync(join(directory, "directory.crt"), directoryAuthority);
    }, 300_000);

    afterAll(() => rmSync(directory, { recursive: true }));

    test("what keeps certbot from its authority is told, and the old one stays in service", async () => {
      const before = await offered();
      await stack.configure({ domains: { "example.test": { acme: acme(15222) } } });
      expect((await stack.up()).text).toMatch(
        /gave no certificate for example\.test[\s\S]*Permission denied/,
      );
      expect(await offered()).toBe(before);
    }, 600_000);

    test("the first one is served", async () => {
      await stack.configure({ domains: { "example.test": { acme: acme(443) } } });
      expect(await stack.up()).toEqual({ code: 0, text: expect.any(String) });
      expect(await offered()).toBe(await serial(`${live}/fullchain.pem`));
      expect((await stack.drift()).rows).toEqual([]);
    }, 600_000);

    test("a renewal, after which certbot may not run the script, is brought by certbot's unit", async () => {
      const before = await serial(`${live}/fullchain.pem`);
      const conf = "/etc/letsencrypt/renewal/example.test.conf";
      const due = (days: number) =>
        `sed -i 's/^#* *renew_before.*/renew_before_expiry = ${days} days/' ${conf}`;
      await guest.exec(`${due(365)}; systemctl start certbot.service; ${due(30)}`);
      expect(await guest.exec("dmesg | grep 'avc: *denied *{ execute }.*prosody-pulumi'")).toContain(
        "certbot_t",
      );
      expect(await serial(`${live}/fullchain.pem`)).not.toBe(before);
      expect(await offered()).toBe(await serial(`${live}/fullchain.pem`));
      expect((await stack.drift()).rows).toEqual([]);
    }, 600_000);
  });
});

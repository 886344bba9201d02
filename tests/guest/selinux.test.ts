import { bootSelinuxGuest, type SelinuxGuest } from "../../lab/selinux-guest";
import { type Certificate, certificate, filesOf } from "../helpers/lab";
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
});

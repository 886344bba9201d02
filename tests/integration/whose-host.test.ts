import { login } from "../../tools/login";
import { hostConfig } from "../helpers/host";
import { type Certificate, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";

const alice = { jid: "alice@example.test", password: "Alice's" };
const bob = { jid: "bob@example.test", password: "Bob's" };
const done = { code: 0, text: expect.any(String) };
const note = "cat /etc/prosody-pulumi.stack 2>&1 || true";
const rename = async (which: Stack, name: string) => {
  await which.must("stack", "rename", name);
  which.env.PULUMI_STACK = name;
};

/** Nothing here depends on the distribution. */
describe("a host", () => {
  let hosts: [first: LabHost, second: LabHost];
  let tls: Certificate;
  let stack: Stack;
  let other: Stack | undefined;
  const logIn = ({ address }: LabHost) => login({ address, port: 5222, caFile: tls.caFile }, alice);
  const config = (host: LabHost) => ({
    host: hostConfig(host),
    domains: { "example.test": filesOf(tls) },
    jids: { [alice.jid]: secret(alice.password) },
  });

  beforeAll(async () => {
    hosts = await Promise.all([lab("whose-host-1"), lab("whose-host-2")]);
    tls = await certificate("example.test");
    stack = await Stack.create(config(hosts[0]));
    expect(await stack.up()).toEqual(done);
  }, 300_000);

  afterAll(() => {
    stack?.remove();
    other?.remove();
  });

  test("whose state is lost is taken over by a new one, and without the old passwords", async () => {
    const invocation = () => hosts[0].exec("systemctl show --value --property InvocationID prosody coturn");
    const before = await invocation();
    const again = await Stack.create({ ...config(hosts[0]), jids: { [alice.jid]: secret("To start with") } });
    try {
      expect(await again.up()).toEqual(done);
      expect(await again.drift()).toMatchObject({ code: 0, rows: [] });
    } finally {
      again.remove();
    }
    expect(await logIn(hosts[0])).toMatchObject({ jid: "alice@example.test/login" });
    expect(await invocation()).toBe(before);
  }, 120_000);

  test("that lost its note is changed by no deletion before an up has written it anew", async () => {
    await hosts[0].exec("rm /etc/prosody-pulumi.stack");
    const unnoted = {
      code: expect.any(Number),
      text: expect.stringMatching(/delete \w+ \S+: the host has no note that it is this stack's/),
    };
    for (const flags of [[], ["--refresh=false"], [], ["--target", `**Account::${alice.jid}`]])
      expect(await stack.destroy(...flags)).toEqual(unnoted);
    expect(await logIn(hosts[0])).toMatchObject({ jid: "alice@example.test/login" });
    expect((await stack.drift()).rows).toEqual(["Connection prosody update"]);
    expect(await stack.up()).toEqual(done);
    expect(await hosts[0].exec(note)).toBe("organization/prosody/test prosody\n");
    expect(await stack.drift()).toMatchObject({ code: 0, rows: [] });
  }, 180_000);

  test("that is another stack's by now is left alone, and that stack's destroy takes nothing from it", async () => {
    other = await Stack.create(config(hosts[0]));
    await rename(other, "trial");
    const refused = {
      code: expect.any(Number),
      text: expect.stringContaining("the host is kept by the stack organization/prosody/test, as its server"),
    };
    expect(await other.up()).toEqual(refused);
    expect(await other.destroy()).toEqual(done);
    expect(await logIn(hosts[0])).toMatchObject({ jid: "alice@example.test/login" });
    expect(await stack.drift()).toMatchObject({ code: 0, rows: [] });
  }, 120_000);

  test("that another stack has taken over is safe from the destroy of the one before", async () => {
    await hosts[0].exec("rm /etc/prosody-pulumi.stack");
    expect(await other!.up()).toEqual(done);
    const kept = "the host is kept by the stack organization/prosody/trial, as its server prosody";
    const refused = { code: expect.any(Number), text: expect.stringContaining(kept) };
    expect(await stack.destroy()).toEqual(refused);
    expect(await stack.destroy("--refresh=false")).toEqual(refused);
    await stack.configure({ jids: { [alice.jid]: secret(alice.password), [bob.jid]: secret(bob.password) } });
    const upOfBob = ["--refresh=false", "--target", "**Account::bob@example.test"];
    expect(await stack.up(...upOfBob)).toEqual(refused);
    expect(await stack.up("--refresh=false")).toEqual(refused);
    await hosts[0].exec("rm /etc/prosody-pulumi.stack");
    const unnoted = {
      code: expect.any(Number),
      text: expect.stringContaining("create Account bob@example.test: the host has no note"),
    };
    expect(await stack.up(...upOfBob)).toEqual(unnoted);
    expect(await hosts[0].exec("ls /var/lib/prosody/example%2etest/accounts")).toBe("alice.dat\n");
    await stack.configure({ jids: { [alice.jid]: secret(alice.password) } });
    expect(await logIn(hosts[0])).toMatchObject({ jid: "alice@example.test/login" });
    await hosts[0].exec("echo organization/prosody/test prosody >/etc/prosody-pulumi.stack");
  }, 120_000);

  test("another one is not taken for the one whose objects were read", async () => {
    await stack.configure({ host: hostConfig(hosts[1]) });
    expect((await stack.drift()).rows).toEqual(["Connection prosody update"]);
    expect(await stack.up()).toEqual({
      code: expect.any(Number),
      text: expect.stringContaining("prosody:host leads to another machine than before"),
    });
    expect(await hosts[1].exec(note)).toContain("No such file");
    expect(await stack.up("--run-program")).toEqual(done);
    expect(await logIn(hosts[1])).toMatchObject({ jid: "alice@example.test/login" });
    expect(await stack.drift()).toMatchObject({ code: 0, rows: [] });
  }, 180_000);

  test("stays the stack's under another name, and is nobody's after a destroy", async () => {
    await rename(stack, "renamed");
    expect((await stack.drift()).rows).toEqual(["Connection prosody update"]);
    expect(await stack.up()).toEqual(done);
    expect(await hosts[1].exec(note)).toBe("organization/prosody/renamed prosody\n");
    expect(await logIn(hosts[1])).toMatchObject({ jid: "alice@example.test/login" });
    expect(await stack.destroy()).toEqual(done);
    expect(await hosts[1].exec(note)).toContain("No such file");
  }, 180_000);
});

describe("servers of one stack", () => {
  let hosts: [first: LabHost, second: LabHost];
  let stack: Stack;
  let berlin: object;
  const server = async (host: LabHost, domain: string) => ({
    host: hostConfig(host),
    domains: { [domain]: filesOf(await certificate(domain)) },
    turn: false,
  });
  const noted = (host: LabHost) => host.exec(note);

  beforeAll(async () => {
    hosts = await Promise.all([lab("whose-host-3"), lab("whose-host-4")]);
    const first = await server(hosts[0], "example.test");
    berlin = await server(hosts[1], "other.test");
    const alias = { ...first.host, address: `::ffff:${first.host.address}` };
    stack = await Stack.create({
      servers: { prosody: first, paris: { ...(await server(hosts[0], "third.test")), host: alias } },
    });
  }, 300_000);

  afterAll(() => stack?.remove());

  test("that lead to one host by different names are told in the first up, one of them with the host", async () => {
    const { code, text } = await stack.up("--continue-on-error");
    const kept = await noted(hosts[0]);
    const [, owner = "", other = kept.includes(" paris") ? "prosody" : "paris"] = /(\S+)\n$/.exec(kept) ?? [];
    expect({ failed: code !== 0, text }).toEqual({
      failed: true,
      text: expect.stringContaining(
        `create Connection ${other}: the host is kept by the stack organization/prosody/test, as its server ${owner}, `,
      ),
    });
    expect(await hosts[0].exec("grep -rhoE '^VirtualHost.*' /etc/prosody/prosody.cfg.lua")).toMatch(
      owner === "paris" ? /^VirtualHost "third.test"\n$/ : /^VirtualHost "example.test"\n$/,
    );
    expect(await stack.destroy()).toEqual(done);
  }, 180_000);

  test("go on where one was handed over to another stack, which is left alone", async () => {
    const prosody = await server(hosts[0], "example.test");
    await stack.configure({ servers: { prosody, berlin } });
    expect(await stack.up()).toEqual(done);
    await rename(stack, "renamed"); // by that name alone, no host is the stack's
    const { rows, text: told } = await stack.drift();
    expect(rows).toEqual(["Connection berlin update", "Connection prosody update"]);
    expect(told).not.toContain("kept by");
    await rename(stack, "test");
    await hosts[1].exec(
      "echo organization/prosody/trial prosody >/etc/prosody-pulumi.stack; systemctl stop prosody",
    );
    await hosts[0].exec("systemctl stop prosody");
    const kept = "berlin: the host is kept by the stack organization/prosody/trial, as its server prosody";
    expect(await stack.drift()).toMatchObject({
      rows: ["Connection berlin update", "Service prosody update"],
      text: expect.stringContaining(kept),
    });
    const { code, text } = await stack.up("--continue-on-error");
    expect({ failed: code !== 0, text }).toEqual({
      failed: true,
      text: expect.stringContaining("update Connection berlin: the host is kept by"),
    });
    expect(await hosts[0].exec("systemctl is-active prosody")).toBe("active\n");
    expect((await stack.destroy("--continue-on-error")).text).toContain("the host is kept by");
    expect([await noted(hosts[0]), await noted(hosts[1])]).toEqual([
      expect.stringContaining("No such file"),
      "organization/prosody/trial prosody\n",
    ]);
    expect(
      await hosts[1].exec("ls /etc/prosody/prosody.cfg.lua /etc/prosody/certs/other.test.key"),
    ).toBeTruthy();
  }, 240_000);
});

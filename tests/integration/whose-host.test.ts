import { login } from "../../tools/login";
import { hostConfig } from "../helpers/host";
import { type Certificate, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";

const alice = { jid: "alice@example.test", password: "Alice's" };
const done = { code: 0, text: expect.any(String) };
const note = "cat /etc/prosody-pulumi.stack 2>&1 || true";

/** Nothing here depends on the distribution. */
describe("a host", () => {
  let hosts: [first: LabHost, second: LabHost];
  let tls: Certificate;
  let stack: Stack;
  let other: Stack | undefined;
  const logIn = ({ address }: LabHost) => login({ address, port: 5222, caFile: tls.caFile }, alice);
  const rename = async (which: Stack, name: string) => {
    await which.must("stack", "rename", name);
    which.env.PULUMI_STACK = name;
  };
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

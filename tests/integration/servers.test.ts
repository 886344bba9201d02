import { run } from "../../lab/command";
import { links } from "../../lab/network";
import { login } from "../../tools/login";
import { hostConfig } from "../helpers/host";
import { certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";

const clean = { code: 0, rows: [], text: expect.any(String) };

describe("two servers in one stack, the first of them with the name of an only one", () => {
  const password = "Alice's only";
  const alice = { jid: "alice@example.test", password };
  const bob = { jid: "bob@other.test", password };
  let hosts: { trixie: LabHost; bookworm: LabHost };
  let stack: Stack;
  let first: object;
  let second: object;

  const settings = async (host: LabHost, domain: string, jid: string) => {
    const tls = await certificate(domain);
    return {
      host: { ...hostConfig(host), connectTimeout: 3 },
      domains: {
        [domain]: filesOf(tls),
      },
      jids: { [jid]: secret(password) },
    };
  };
  const xmpp = async (host: LabHost, domain: string) => ({
    address: host.address,
    port: 5222,
    caFile: (await certificate(domain)).caFile,
  });
  /** Prosody that was just started opens its ports a moment later. */
  const awaitPort = (host: LabHost, why: string) =>
    host
      .exec("timeout 20 bash -c 'until (: </dev/tcp/127.0.0.1/5222) 2>&-; do sleep .1; done'")
      .catch(() => Promise.reject(new Error(`No port 5222 after:\n${why}`)));
  const pids = () =>
    Promise.all(Object.values(hosts).map((host) => host.exec("systemctl show -P MainPID prosody")));

  /** As if somebody had cut the cable of the host. */
  async function cutOff<T>(host: LabHost, action: () => Promise<T>): Promise<T> {
    const link = links().find(({ owner }) => owner.endsWith(`/${host.name}`))!.name;
    await run("ip", ["link", "set", link, "down"]);
    try {
      return await action();
    } finally {
      await run("ip", ["link", "set", link, "up"]);
      await host.exec("true");
    }
  }

  beforeAll(async () => {
    const [trixie, bookworm] = await Promise.all([
      lab("servers-trixie", { release: "trixie" }),
      lab("servers-bookworm", { release: "bookworm" }),
    ]);
    hosts = { trixie, bookworm };
    first = await settings(trixie, "example.test", alice.jid);
    second = await settings(bookworm, "other.test", bob.jid);
    stack = await Stack.create({ ...first, logging: { syslog: "warn" } });
  }, 300_000);

  afterAll(() => {
    stack?.remove();
  });

  test("an only server that becomes one of servers under the name prosody stays as it is", async () => {
    await stack.must("up", "--yes", "--skip-preview");
    await stack.configure({
      host: undefined,
      domains: undefined,
      jids: undefined,
      servers: { prosody: first },
    });
    expect(await stack.drift()).toEqual(clean);
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({ code: 0, text: expect.stringMatching(/Resources:\n +\d+ unchanged/) });
  }, 300_000);

  test("a second one is made beside it, and both serve their users", async () => {
    await stack.configure({ servers: { prosody: first, berlin: second } });
    await cutOff(hosts.bookworm, async () => {
      const { code, text } = await stack.up("--continue-on-error");
      expect({ failed: code !== 0, text }).toEqual({
        failed: true,
        text: expect.stringContaining("create Connection berlin: can't connect to"),
      });
    });
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({ code: 0, text: expect.stringMatching(/created\n +\d+ unchanged/) });
    expect(await login(await xmpp(hosts.trixie, "example.test"), alice)).toMatchObject({
      jid: "alice@example.test/login",
    });
    expect(await login(await xmpp(hosts.bookworm, "other.test"), bob)).toMatchObject({
      jid: "bob@other.test/login",
    });
    for (const host of Object.values(hosts))
      expect(await host.exec("grep -A1 syslog /etc/prosody/prosody.cfg.lua")).toContain("warn");
  }, 300_000);

  test("up again changes nothing and restarts nothing", async () => {
    const before = await pids();
    expect(await stack.drift()).toEqual(clean);
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({ code: 0, text: expect.stringMatching(/Resources:\n +\d+ unchanged/) });
    expect(await pids()).toEqual(before);
  }, 180_000);

  test("drift shows under the name of its server", async () => {
    await hosts.bookworm.exec("systemctl stop prosody");
    expect(await stack.drift()).toEqual({ ...clean, code: 7, rows: ["Service berlin/prosody update"] });
    await stack.must("up", "--yes", "--skip-preview");
    expect(await stack.drift()).toEqual(clean);
  }, 180_000);

  test("a host that is down is one difference, and the others are looked at as ever", async () => {
    await hosts.trixie.exec("systemctl stop prosody");
    await cutOff(hosts.bookworm, async () => {
      const before = await stack.export();
      const { code, rows, text } = await stack.drift();
      expect({ code, rows, text }).toEqual({
        code: 7,
        rows: ["Connection berlin update", "Service prosody update"],
        text: expect.stringMatching(/~ reachable *: false => true/),
      });
      expect(text).toMatch(
        new RegExp(`berlin: can't connect to \\w+@${hosts.bookworm.address}:22: .*taken for true`),
      );
      expect(await stack.export()).toBe(before);
    });
  }, 180_000);

  test("an up with a host that is down does the others, says why, and fails; the next one heals", async () => {
    const [, before] = await pids();
    const both = (jids: object) => ({
      servers: { prosody: { ...first, jids }, berlin: { ...second, options: { c2s_idle_timeout: 555 } } },
    });
    await stack.configure(both({ [alice.jid]: secret(password), "carol@example.test": secret(password) }));
    await cutOff(hosts.bookworm, async () => {
      const { code, text } = await stack.up("--continue-on-error");
      expect(code).not.toBe(0);
      expect(text).toMatch(
        new RegExp(`update Connection berlin: can't connect to \\w+@${hosts.bookworm.address}:22: `),
      );
      await awaitPort(hosts.trixie, text);
      expect(new Set(text.match(/(?<=error: )(create|update|read|delete) \w+ \S+/g))).toEqual(
        new Set(["update Connection berlin:"]),
      );
      expect(
        await login(await xmpp(hosts.trixie, "example.test"), { jid: "carol@example.test", password }),
      ).toMatchObject({
        jid: "carol@example.test/login",
      });
    });
    expect((await pids())[1]).toBe(before);
    await stack.must("up", "--yes", "--skip-preview");
    expect(await stack.drift()).toEqual(clean);
    expect(await hosts.bookworm.exec("cat /etc/prosody/prosody.cfg.lua")).toContain("c2s_idle_timeout = 555");
  }, 180_000);

  test("destroy with a host that is down removes the others, and the rest later", async () => {
    const installed = (host: LabHost) => host.exec("dpkg -l prosody 2>&1 | grep -c ^ii || true");
    await cutOff(hosts.bookworm, async () => {
      const { code, text } = await stack.destroy("--continue-on-error");
      expect({ failed: code !== 0, text }).toEqual({
        failed: true,
        text: expect.stringMatching(/berlin|bob@other\.test/),
      });
      expect(await installed(hosts.trixie)).toBe("0\n");
    });
    expect(await installed(hosts.bookworm)).toBe("1\n");
    await stack.must(
      "destroy",
      "--yes",
      "--skip-preview",
      "--refresh=false",
      "--target",
      "**ProsodyServer::berlin",
      "--target-dependents",
    );
    expect(await installed(hosts.bookworm)).toBe("0\n");
    await stack.must("destroy", "--yes", "--skip-preview");
    expect(JSON.parse(await stack.export()).deployment.resources ?? []).toEqual([]);
  }, 180_000);
});

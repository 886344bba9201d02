import { execFileSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { hostConfig } from "../helpers/host";
import { allReleases, type Certificate, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";

describe.each(allReleases)("a host with %s that can't be used", (release) => {
  let host: LabHost;
  let tls: Certificate;
  let stack: Stack;
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-unreachable-"));
  const silent = net.createServer(); // accepts a connection and never says a word
  const good = () => hostConfig(host);

  beforeAll(async () => {
    host = await lab(`unreachable-${release}`, { release, sudoPassword: true });
    tls = await certificate("example.test");
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const domain = filesOf(tls);
    stack = await Stack.create({
      host: good(),
      domains: { "example.test": domain },
      jids: { "alice@example.test": secret("secret one") },
    });
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
  }, 300_000);

  afterAll(() => {
    silent.close();
    stack?.remove();
    fs.rmSync(directory, { recursive: true });
  });

  const newKey = (name: string) => {
    const file = path.join(directory, name);
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
    return file;
  };

  const cases: [what: string, host: () => object, why: RegExp][] = [
    ["is down", () => ({ ...good(), address: host.address.replace(/\.2$/, ".9") }), /10\.77\.\d+\.9/],
    [
      "refuses the key",
      () => ({ ...good(), privateKeyFile: newKey("refused") }),
      /refused.*key|key.*refused/i,
    ],
    [
      "has another host key",
      () => ({
        ...good(),
        hostKey: fs
          .readFileSync(`${newKey("other")}.pub`, "utf8")
          .split(" ")
          .slice(0, 2)
          .join(" "),
      }),
      /host key.*SHA256:/is,
    ],
    [
      "never lets the login finish",
      () => ({ ...good(), address: "127.0.0.1", port: (silent.address() as net.AddressInfo).port }),
      /127\.0\.0\.1:\d+/,
    ],
    ["has a sudo that asks", () => ({ ...good(), user: "admin", sudo: true }), /sudo.*password/i],
  ];

  test.each(cases)(
    "%s: a clear error within 30 s, and the stack is unharmed",
    async (_what, settings, why) => {
      const before = await stack.export();
      await stack.configure({ host: settings() });
      const start = Date.now();
      const { code, text } = await stack.preview("--run-program");
      expect({ code, text }).toEqual({ code: expect.any(Number), text: expect.stringMatching(why) });
      expect(code).not.toBe(0);
      expect((Date.now() - start) / 1000).toBeLessThan(30);
      expect(await stack.export()).toBe(before);
      expect((await stack.preview("--refresh=false")).code).toBe(0); // the documented way out
      await stack.configure({ host: good() });
      expect(await stack.drift()).toMatchObject({ code: 0, rows: [] });
    },
    120_000,
  );
});

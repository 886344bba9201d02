import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { root } from "../../config/root";
import { trampoline } from "../../providers/resource";
import { login } from "../../tools/login";
import { hostConfig } from "../helpers/host";
import { type Certificate, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";

describe("the program and its provider", () => {
  let host: LabHost;
  let tls: Certificate;
  let copy: string;
  let stack: Stack;

  /** A copy of the sources that may be edited. */
  function copyOfProgram(): string {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-program-"));
    const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], {
      cwd: root,
      encoding: "utf8",
    });
    for (const file of files.trim().split("\n")) {
      fs.mkdirSync(path.join(directory, path.dirname(file)), { recursive: true });
      fs.copyFileSync(path.join(root, file), path.join(directory, file));
    }
    fs.symlinkSync(path.join(root, "node_modules"), path.join(directory, "node_modules"));
    return directory;
  }

  const edit = (file: string, from: string, to: string) => {
    const text = fs.readFileSync(path.join(copy, file), "utf8");
    expect(text).toContain(from);
    fs.writeFileSync(path.join(copy, file), text.replace(from, to));
  };

  beforeAll(async () => {
    host = await lab("program");
    tls = await certificate("example.test");
    copy = copyOfProgram();
    stack = await Stack.create(
      {
        host: hostConfig(host),
        domains: {
          "example.test": filesOf(tls),
        },
        jids: { "alice@example.test": secret("secret one") },
      },
      copy,
    );
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
  }, 300_000);

  afterAll(() => {
    stack?.remove();
    if (copy) fs.rmSync(copy, { recursive: true, force: true });
  });

  test("the state holds the constant trampoline, not code, and no stack traces", async () => {
    const { deployment } = JSON.parse(await stack.export());
    const accounts = deployment.resources.filter((resource: { type: string }) =>
      resource.type.endsWith(":Account"),
    );
    expect(accounts.map((account: { outputs: object }) => account.outputs)).toEqual([
      expect.objectContaining({ __provider: trampoline("Account") }),
    ]);
    expect(accounts[0]).not.toHaveProperty("stackTrace");
  });

  test("a long step says in the row of its resource what it waits for, and is forgotten with it", async () => {
    // Somebody has apt's lock until some seconds after apt was refused.
    const holder = `import fcntl, subprocess, time
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
open("/run/held", "w")
while subprocess.call(["pgrep", "-x", "apt-get"], stdout=subprocess.DEVNULL): time.sleep(0.01)
time.sleep(4)`;
    await host.exec(
      `dpkg --force-depends -r lua-unbound >/dev/null 2>&1
systemd-run --quiet python3 -c '${holder}'
until [ -e /run/held ]; do sleep 0.05; done`,
    );
    const { code, text } = await stack.up("--json");
    expect(code).toBe(0);
    const said = text
      .split("\n")
      .filter((line) => line.includes('"diagnosticEvent"'))
      .map((line) => JSON.parse(line).diagnosticEvent)
      .filter(({ message }) => message.includes("waiting"));
    expect(said).toEqual([
      expect.objectContaining({
        urn: expect.stringMatching(/prosody:Package::lua-unbound$/),
        message: expect.stringMatching(/^waiting for apt's lock, which process \d+ \(python3\) has\s*$/),
        severity: "info",
        ephemeral: true,
      }),
    ]);
  }, 120_000);

  test("what --replace asks for is made anew, and there afterwards", async () => {
    const kinds = ["Account", "Certificate", "CommunityModules", "Configuration", "Connection"].map(
      (name) => `**:${name}::*`,
    );
    const provider = "**pulumi:providers:**"; // the deletions are another process's then
    const { code, text } = await stack.up(...[...kinds, provider].flatMap((urn) => ["--replace", urn]));
    expect({ code, text }).toEqual({ code: 0, text: expect.stringMatching(/\+-\d+ replaced/) });
    expect(await stack.drift()).toMatchObject({ code: 0, rows: [] });
    const served = { address: host.address, port: 5222, caFile: tls.caFile };
    const alice = { jid: "alice@example.test", password: "secret one" };
    expect(await login(served, alice)).toMatchObject({ jid: "alice@example.test/login" });
  }, 180_000);

  test("an edited source is no diff", async () => {
    edit("providers/dispatch.ts", "function plain", "/* edited */ function plain");
    expect(await stack.drift()).toMatchObject({ code: 0, rows: [] });
  }, 60_000);

  test("an edited source never runs stale, for read too", async () => {
    edit(
      "providers/dispatch.ts",
      "const found = await read()",
      'if (kind === "Account") throw new Error("the edited read ran");\n        const found = await read()',
    );
    expect((await stack.preview()).text).toContain("the edited read ran");
  }, 60_000);

  test("a source that does not compile runs nothing and says why", async () => {
    edit("providers/dispatch.ts", "the edited read ran", 'the edited read ran" + 1 as boolean + "');
    const { code, text } = await stack.preview();
    expect({ code, text }).toEqual({
      code: expect.any(Number),
      text: expect.stringContaining("don't compile; nothing was run"),
    });
    expect(code).not.toBe(0);
    expect(text).toContain("providers/dispatch.ts");
    edit("providers/dispatch.ts", 'the edited read ran" + 1 as boolean + "', "the edited read ran");
    edit("providers/dispatch.ts", 'if (kind === "Account") throw new Error("the edited read ran");\n', "");
    expect(await stack.drift()).toMatchObject({ code: 0, rows: [] });
  }, 120_000);
});

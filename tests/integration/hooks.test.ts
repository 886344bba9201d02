import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";
import { standIn } from "../helpers/stand-in-plugin";

describe("hooks, run by the real engine and a stand-in for the plugin of @pulumi/command", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-hooks-"));
  const log = path.join(directory, "log");
  let host: LabHost;
  let bastion: LabHost;
  let stack: Stack;
  let forget: () => void;

  const way = ({ address, privateKeyFile, hostKey }: LabHost) => ({ address, privateKeyFile, hostKey });
  const ssh = () =>
    `ssh -F /dev/null -i ${host.privateKeyFile} -o UserKnownHostsFile=${host.knownHosts} -o BatchMode=yes root@${host.address}`;
  /** Says who ran, and whether Prosody is installed and runs meanwhile. */
  const local = (what: string) =>
    `printf '%s %s\\n' "${what}" "$(${ssh()} 'systemctl is-active prosody; true')" >> ${log}`;
  const remote = (what: string) => `printf '%s %s by %s\\n' ${what} "$WORD" "$(id -un)" >> /var/log/hooks`;
  const hooks = (changes: object = {}) => ({
    before: [
      { name: "first", create: local("first"), delete: local("first-gone"), triggers: ["1"], ...changes },
    ],
    after: [
      {
        name: "second",
        where: "remote",
        create: remote("second"),
        update: remote("second-again"),
        delete: remote("second-gone"),
        environment: { WORD: secret("it's a secret") },
      },
      { name: "third", create: local("third"), delete: local("third-gone") },
    ],
  });
  /** What the hooks said since the last call. */
  const said = async () => {
    const here = fs.existsSync(log) ? fs.readFileSync(log, "utf8") : "";
    fs.rmSync(log, { force: true });
    const there = await host.exec("cat /var/log/hooks 2>/dev/null; rm -f /var/log/hooks");
    return [...here.trim().split("\n"), ...there.trim().split("\n")].filter(Boolean);
  };

  beforeAll(async () => {
    forget = standIn("command");
    [host, bastion] = await Promise.all([lab("hooks", { sudoPassword: false }), lab("hooks-jump")]);
    const tls = await certificate("example.test");
    stack = await Stack.create({
      host: { ...way(host), user: "admin", sudo: true, jump: { ...way(bastion), user: "admin" } },
      domains: {
        "example.test": filesOf(tls),
      },
      hooks: hooks(),
    });
  }, 300_000);

  afterAll(() => {
    forget?.();
    stack?.remove();
    fs.rmSync(directory, { recursive: true });
  });

  test("before there is a server, and after it runs; on the host through its jump host", async () => {
    await host.exec("install -o admin -m 0644 /dev/null /var/log/hooks; chmod 0777 /var/log");
    await stack.must("up", "--yes", "--skip-preview");
    expect(await said()).toEqual(["first inactive", "third active", "second it's a secret by admin"]);
    expect(await stack.export()).not.toContain("it's a secret");
  }, 300_000);

  test("an up without a change runs none", async () => {
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({ code: 0, text: expect.stringMatching(/Resources:\n +\d+ unchanged/) });
    expect(await said()).toEqual([]);
  }, 180_000);

  test("a trigger deletes and creates, a changed command updates, and nothing else is touched", async () => {
    const { after } = hooks();
    const second = { ...after[0], environment: { WORD: "word" } };
    await stack.configure({ hooks: { ...hooks({ triggers: ["2"] }), after: [second, after[1]] } });
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({
      code: 0,
      text: expect.stringMatching(/~ 1 updated\n +\+-1 replaced\n/),
    });
    expect(await said()).toEqual(["first-gone active", "first active", "second-again word by admin"]);
  }, 180_000);

  test("a hook that fails says why, and keeps what comes after it from running", async () => {
    await stack.configure({
      hooks: { ...hooks({ triggers: ["2"], create: "echo no snapshot >&2; exit 3" }) },
    });
    const { code, text } = await stack.up();
    expect({ failed: code !== 0, text }).toEqual({
      failed: true,
      text: expect.stringMatching(/first[\s\S]*no snapshot/),
    });
    expect(await said()).toEqual([]);
    await stack.configure({ hooks: hooks({ triggers: ["2"] }) });
    await stack.must("up", "--yes", "--skip-preview");
    await said();
  }, 180_000);

  test("a destroy runs them in the opposite order", async () => {
    await stack.must("destroy", "--yes", "--skip-preview");
    expect(await said()).toEqual([
      "third-gone active",
      "first-gone inactive",
      "second-gone it's a secret by admin",
    ]);
  }, 180_000);
});

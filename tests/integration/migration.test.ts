import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { root } from "../../config/root";
import { login } from "../../tools/login";
import { hostConfig } from "../helpers/host";
import { certificate, type LabHost, lab } from "../helpers/lab";
import { Stack } from "../helpers/stack";

describe("the old role's sample, translated", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-migration-"));
  const file = path.join(directory, "vars.yml");
  let host: LabHost;
  let stack: Stack;
  let caFile: string;

  /** The sample of the role's README, with the least that it says one has to define. */
  const vars = (tls: { certificateFile: string; keyFile: string; intermediateFile: string }) => `
ssl:
  example.test:
    certificate: ${tls.certificateFile}
    key: |
${fs.readFileSync(tls.keyFile, "utf8").replace(/^/gm, "      ")}
    intermediates:
      - ${tls.intermediateFile}
xmpp:
  jids:
    alice@example.test: first password
    gone@example.test: None
  components:
    fbgateway: ARSNE2ki24n908rARTN2e34ni23
    # This would declare a component JID "fbgateway.example.test"
    # in the Prosody configuration.
`;

  beforeAll(async () => {
    host = await lab("migration");
    const tls = await certificate("example.test");
    caFile = tls.caFile;
    fs.writeFileSync(file, vars(tls));
  }, 300_000);

  afterAll(() => {
    stack?.remove();
    fs.rmSync(directory, { recursive: true });
  });

  const cli = (...args: string[]) =>
    spawnSync(process.execPath, [path.join(root, "tools/run.cjs"), "migrate", file, ...args], {
      encoding: "utf8",
    });

  test("is shown without a secret; each secret goes into a pipe", () => {
    const { stdout, stderr, status } = cli();
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("prosody:domains:\n    example.test:\n");
    expect(stdout).not.toMatch(/first password|ARSNE2ki|PRIVATE KEY/);
    expect(cli("--secret", 'jids["alice@example.test"]').stdout).toBe("first password");
    expect(cli("--secret", "nothing")).toMatchObject({ status: 1, stdout: "" });
  }, 60_000);

  test("deploys: its user logs in, its component is there, its absent account is not", async () => {
    stack = await Stack.create({ host: hostConfig(host) });
    const { code, text } = await stack.tool(["migrate", file, "--write", "test"]);
    expect({ code, text }).toEqual({ code: 0, text: expect.stringContaining("Set 3 secrets") });
    await stack.must("up", "--yes", "--skip-preview");
    const xmpp = { address: host.address, port: 5222, caFile };
    const alice = { jid: "alice@example.test", password: "first password" };
    expect(await login(xmpp, alice)).toMatchObject({ jid: "alice@example.test/login" });
    expect(await login(xmpp, { jid: "gone@example.test", password: "None" })).toEqual({
      error: "not-authorized",
    });
    const files = await host.exec("cat $(find /etc/prosody -type f -name '*.lua')");
    expect(files).toContain('"fbgateway.example.test"');
    expect(files).toContain('"conference.example.test" "muc"');
    expect(await host.exec("ss -Hltn | awk '{print $4}'")).toMatch(/:5222\n[\s\S]*/);
    expect(await stack.drift()).toMatchObject({ code: 0, rows: [] });
  }, 300_000);
});

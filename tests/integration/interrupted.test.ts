import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { until } from "../../lab/command";
import { lockFile } from "../../providers/configuration/scripts";
import { login } from "../../tools/login";
import { hostConfig } from "../helpers/host";
import {
  awaitStanding,
  type Interruption,
  interrupt,
  obstacle,
  obstruct,
  shim,
  standing,
} from "../helpers/interruption";
import { certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { type Run, Stack, secret } from "../helpers/stack";
import { connect } from "../helpers/xmpp";

const main = "/etc/prosody/prosody.cfg.lua";
const kept = "/var/backups/prosody-pulumi";
const mid = "[ -d /etc/prosody/.previous ]";
const account = (name: string) => ({ jid: `${name}@example.test`, password: `${name}'s only` });
const [alice, bob] = [account("alice"), account("bob")];

/** Steps that stand still on the host, in which the run is interrupted. */
describe("a run that is interrupted", () => {
  let host: LabHost;
  let stack: Stack;
  let server: { address: string; port: number; caFile: string };

  const sh = async (script: string) => (await host.exec(script)).trim();
  const pid = () => sh("systemctl show -P MainPID prosody");
  const jids = (...all: (typeof alice)[]) => ({
    jids: Object.fromEntries(all.map(({ jid, password }) => [jid, secret(password)])),
  });
  const hidden = () => sh("ls -A /etc/prosody | grep '^[.]' || true");
  const clean = { code: 0, rows: [], text: expect.any(String) };
  /** What goes on on the host by itself has ended. */
  const over = (script: string, what: string) =>
    until(
      async () => (await sh(`${script} && echo yes || true`)) === "yes" || undefined,
      60,
      () => `${what} goes on.`,
    );
  const idle = () => over(`flock --nonblock ${lockFile} true`, "The change");

  /** What a user does next: the preview's rows; then one up after which nothing is left to do. */
  async function heal(way: Interruption, { code }: Run): Promise<string[]> {
    expect(code === 0).toBe(false);
    if (way === "SIGKILL") await stack.must("cancel", "--yes");
    const { rows } = await stack.drift();
    const up = await stack.up();
    expect(up).toEqual({ code: 0, text: expect.any(String) });
    expect(await stack.drift()).toEqual(clean);
    expect(await login(server, alice)).toHaveProperty("jid");
    expect(await hidden()).toBe("");
    return rows;
  }

  beforeAll(async () => {
    host = await lab("interrupted-trixie", { release: "trixie" });
    const tls = await certificate("example.test");
    server = { address: host.address, port: 5222, caFile: tls.caFile };
    stack = await Stack.create({
      host: hostConfig(host),
      domains: { "example.test": filesOf(tls) },
      turn: false,
      ...jids(alice, bob),
    });
    await stack.must("up", "--yes", "--skip-preview");
  }, 300_000);

  afterAll(() => stack?.remove());

  test.each<[where: string, way: Interruption, program: string, when: string, row: string[]]>([
    // Killed, nobody takes it back: the files are new, and the server is not known to run them.
    ["before files are replaced", "SIGKILL", "mkdir", '[ "$*" = .previous.new ]', ["update"]],
    ["before files are replaced", "lost connection", "mkdir", '[ "$*" = .previous.new ]', ["update"]],
    ["after files are replaced", "^C", "rm", `[ "$*" = "-rf .staged" ] && ${mid}`, []],
  ])(
    "%s, by %s: the old server runs on",
    async (_where, way, program, when, ops) => {
      const [before, server_, old] = [
        await pid(),
        await connect(server, alice),
        await sh(`sha256sum ${main}`),
      ];
      await shim(host, program, when);
      await stack.configure({ options: { archive_expires_after: `${Date.now()}d` } });
      const run = await interrupt(host, stack, way, async () => {
        expect(await login(server, bob)).toHaveProperty("jid");
      });
      await sh(`rm /usr/local/bin/${program}`);
      await idle();
      if (way === "lost connection") {
        expect(run.text).toContain("The previous configuration is back in force.");
        expect(await sh(`sha256sum ${main}`)).toBe(old);
        expect(await hidden()).toBe("");
      } else expect(await sh(`sha256sum ${main}`)).not.toBe(old);
      expect(await heal(way, run)).toEqual(ops.map((op) => `Configuration prosody ${op}`));
      expect([await pid(), await server_.end()]).toEqual([before, "alive"]);
    },
    120_000,
  );

  test("in the restart, by a lost connection: the old configuration comes back", async () => {
    const old = await sh(`sha256sum ${main}`);
    await shim(host, "ss", mid);
    await stack.configure({ options: { network_settings: { read_timeout: 841 } } });
    const run = await interrupt(host, stack, "lost connection", async () => undefined);
    await sh("rm /usr/local/bin/ss");
    expect(run.text).toContain("The previous configuration is back in force.");
    expect(await sh(`sha256sum ${main}`)).toBe(old);
    expect(await heal("lost connection", run)).toEqual(["Configuration prosody update"]);
  }, 120_000);

  test("between archive and deletion of an account, by SIGKILL: its archive is whole, and nobody else is gone", async () => {
    const code = `local um = require"core.usermanager"; local old = um.delete_user; um.delete_user = function(...) os.execute([[${standing}]]) return old(...) end`;
    await sh(`prosodyctl shell '> ${code}'`);
    await stack.configure(jids(alice));
    const run = await interrupt(host, stack, "SIGKILL", async () => {
      expect(await sh(`tar -tzf ${kept}/bob@example.test-*.tar.gz | grep accounts`)).toBe(
        "example%2etest/accounts/bob.dat",
      );
    });
    await over("[ ! -e /var/lib/prosody/example%2etest/accounts/bob.dat ]", "The deletion");
    expect(await heal("SIGKILL", run)).toEqual([]);
    expect(await sh(`ls ${kept} | grep -c bob@`)).toBe("1");
    expect(await login(server, bob)).toEqual({ error: "not-authorized" });
  }, 120_000);

  test("with a restore's data half in place, by SIGKILL: another restore waits for its end", async () => {
    const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-interrupted-"));
    const file = path.join(scratch, "backup.tar.gz");
    const data = "/var/lib/prosody";
    try {
      expect(await stack.tool(["backup", "--stack", "test", "--output", file])).toMatchObject({ code: 0 });
      await sh("printf 'x\\nx\\n' | prosodyctl adduser late@example.test");
      await obstruct(host);
      await shim(host, "chown", `[ -e ${data}/.prosody-pulumi-restore/replaced ]`);
      const first = stack.start("restore", file, "--replace");
      await awaitStanding(host);
      first.kill("SIGKILL");
      const second = stack.tool(["restore", "--stack", "test", file, "--replace"]);
      await over("pgrep -x flock >/dev/null", "What comes before the second restore");
      expect(await sh(`ls ${data}/.prosody-pulumi-restore`)).toContain("replaced");
      await sh(`rm ${obstacle} /usr/local/bin/chown`);
      expect(await second).toEqual({ code: 0, text: expect.stringContaining("Prosody runs with it") });
    } finally {
      fs.rmSync(scratch, { recursive: true });
    }
    expect(await login(server, alice)).toHaveProperty("jid");
    expect(await login(server, { jid: "late@example.test", password: "x" })).toEqual({
      error: "not-authorized",
    });
    expect(await sh(`ls -A ${data} | grep pulumi || true`)).toBe("");
    expect(await stack.drift()).toEqual(clean);
  }, 120_000);

  test("amid dpkg, by SIGKILL, then amid the move of the data, by a lost connection", async () => {
    const before = await pid();
    await sh(
      `cat > /usr/local/bin/amid-dpkg <<'EOF'\n#!/bin/sh\nif [ -e ${obstacle} ] && grep -q 'install ok unpacked' /var/lib/dpkg/status; then ${standing}; fi\nEOF
chmod +x /usr/local/bin/amid-dpkg; echo pre-invoke=/usr/local/bin/amid-dpkg > /etc/dpkg/dpkg.cfg.d/obstacle`,
    );
    await stack.configure({ storage: "sqlite" });
    const killed = await interrupt(host, stack, "SIGKILL", async () => {
      expect(await pid()).toBe(before);
    });
    await sh("rm /etc/dpkg/dpkg.cfg.d/obstacle");
    expect(killed.code).not.toBe(0);
    await stack.must("cancel", "--yes");
    const { rows } = await stack.drift();
    expect(rows).toContain("Configuration prosody update");
    await shim(host, "sync", "[ -e /var/lib/prosody/.prosody-pulumi-storage ]");
    const lost = await interrupt(host, stack, "lost connection", async () => undefined);
    await sh("rm /usr/local/bin/sync");
    await idle();
    expect(await sh(`grep -c SQLite3 ${main} || true`)).toBe("0");
    expect(await heal("lost connection", lost)).toContain("Configuration prosody update");
    expect(await sh(`grep -c SQLite3 ${main}`)).toBe("1");
    expect(await sh("find /var/lib/prosody -name '.prosody*' -o -name 'alice.dat'")).toBe("");
  }, 240_000);
});

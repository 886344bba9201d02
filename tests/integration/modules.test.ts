import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { login } from "../../tools/login";
import { roleModules } from "../fixtures/server";
import { distributions } from "../helpers/distribution";
import { hostConfig } from "../helpers/host";
import { allReleases, type Certificate, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";

const alice = { jid: "alice@example.test", password: "Alice's" };
const base = "/usr/local/lib/prosody-pulumi";
const clean = { code: 0, rows: [], text: expect.any(String) };
const done = { code: 0, text: expect.any(String) };

/** A repository as the community's is, with three revisions; the module for push is a stand-in. */
const repository = `set -e
mkdir -p /srv/modules && cd /srv/modules && hg init
export HGUSER=test
module() { mkdir -p "mod_$1"; echo "$2" > "mod_$1/mod_$1.lua"; hg add -q "mod_$1"; }
module cloud_notify 'module:add_feature("urn:xmpp:push:0")'
module demo 'module:depends("demo_base"); module:add_feature("urn:test:one")'
module demo_base 'module:add_feature("urn:test:base")'
module late 'module:depends "disco"'
hg commit -m one
module demo 'module:depends("demo_base"); module:add_feature("urn:test:two")'
hg commit -m two && hg tag v2
module demo 'error("no such luck")'
hg commit -m three && hg tag broken
systemd-run --quiet --unit=hg-serve hg serve --repository /srv/modules --address "$(hostname -I | cut -d' ' -f1)" --port 8000
until ss -Hltn | grep -q :8000; do sleep 0.05; done
hg log -r 0 -T '{short(node)}'`;

describe.each(allReleases)("community modules on %s", (release) => {
  const distribution = distributions[release];
  let host: LabHost;
  let stack: Stack;
  let tls: Certificate;
  let first: string;
  let source: string;
  const own = mkdtempSync(path.join(tmpdir(), "own-modules-"));
  const push = release === "bookworm" ? ["mod_cloud_notify"] : [];
  const mainPid = async () => (await host.exec("systemctl show -P MainPID prosody")).trim();
  /** All but the program's own modules. */
  const found = async (pattern: string) =>
    (await host.exec(`cd ${base} && ls -d ${pattern} | grep -v ^own-`)).trim().split("\n");
  const directories = async () => (await found("*-*")).sort();
  const present = async () => (await found("*-*/mod_*")).map((name) => path.basename(name));
  const canLogIn = async () =>
    expect(await login({ address: host.address, port: 5222, caFile: tls.caFile }, alice)).toMatchObject({
      jid: "alice@example.test/login",
    });
  const features = () => host.exec("prosodyctl shell 'module:list(\"example.test\")'");

  beforeAll(async () => {
    host = await lab(`modules-${release}`, { release });
    tls = await certificate("example.test");
    await host.exec(distribution.install("mercurial"));
    first = (await host.exec(repository)).trim();
    source = `http://${host.address}:8000/`;
    stack = await Stack.create({
      host: hostConfig(host),
      domains: {
        "example.test": filesOf(tls),
      },
      jids: { [alice.jid]: secret(alice.password) },
      modules: roleModules,
    });
  }, 300_000);

  afterAll(() => {
    stack?.remove();
    rmSync(own, { recursive: true });
  });

  test("the old role's list works with the distribution's package, and what became of it is told", async () => {
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({ code: 0, text: expect.stringMatching(/smacks_offline: built in/) });
    await canLogIn();
    expect(await stack.drift()).toEqual(clean);
  }, 300_000);

  test("what an upgrade of the package brings is not listed module by module", async () => {
    await host.exec("touch $(dirname $(ls /usr/lib*/prosody/modules/mod_ping.lua))/mod_brand_new.lua");
    const { text } = await stack.drift();
    expect(text).not.toContain("brand_new");
    expect(text).not.toContain("offered");
  }, 60_000);

  test("and with a repository, which gets a pinned revision and no module that is not wanted", async () => {
    await stack.configure({ modulesOrigin: { source, revision: first }, extraModules: ["demo"] });
    expect(await stack.up()).toEqual(done);
    await canLogIn();
    expect(await features()).toMatch(/\bdemo_base\b/);
    expect(await present()).toEqual([...push, "mod_demo", "mod_demo_base"]);
    expect(await host.exec(distribution.version("prosody-modules"))).toBe("");
    expect(await stack.drift()).toEqual(clean);
    const before = await mainPid();
    expect((await stack.up()).text).toMatch(/Resources:\n +\d+ unchanged/);
    expect(await mainPid()).toBe(before);
  }, 300_000);

  test("what was done to the files by hand shows, each file by name, and up repairs it", async () => {
    await host.exec(
      `cd ${base}/${first}-* && echo '-- by hand' >> mod_demo/mod_demo.lua && rm -r mod_demo_base && mkdir mod_x && touch mod_x/mod_x.lua`,
    );
    const seen = await stack.drift();
    expect(seen.rows).toEqual(["CommunityModules modules update"]);
    for (const difference of [
      "mod_demo/mod_demo.lua was edited",
      "mod_demo_base/mod_demo_base.lua is missing",
      "mod_x/mod_x.lua was added",
    ])
      expect(seen.text).toContain(difference);
    expect(await stack.up()).toEqual(done);
    expect(await present()).toEqual([...push, "mod_demo", "mod_demo_base"]);
    expect(
      await host.exec("tar -xzOf /var/backups/prosody-pulumi/modules-*.tar.gz ./mod_demo/mod_demo.lua"),
    ).toContain("-- by hand");
    expect(await stack.drift()).toEqual(clean);
  }, 180_000);

  test("a module that is nowhere is an error of the preview already", async () => {
    await stack.configure({ extraModules: ["demo", "demo_bas"] });
    const { code, text } = await stack.preview();
    expect({ failed: code !== 0, text }).toEqual({
      failed: true,
      text: expect.stringMatching(
        /module demo_bas: neither Prosody nor http.* has it; did you mean demo_base\?/,
      ),
    });
    expect(text.split("\nDiagnostics:")[1]!.match(/module demo_bas: /g)).toHaveLength(1);
    expect(text).not.toMatch(/^ +at /m);
  }, 60_000);

  test("one more module of the same revision comes without a restart, and goes again", async () => {
    const before = await mainPid();
    await stack.configure({ extraModules: ["demo", "late"] });
    expect(await stack.up()).toEqual(done);
    expect(await features()).toMatch(/\blate\b/);
    await stack.configure({ extraModules: ["demo"] });
    expect(await stack.up()).toEqual(done);
    expect(await present()).toEqual([...push, "mod_demo", "mod_demo_base"]);
    expect(await mainPid()).toBe(before);
  }, 180_000);

  test("another revision, by its tag, takes the place of the first", async () => {
    await stack.configure({ modulesOrigin: { source, revision: "v2" } });
    expect((await stack.preview()).text).toMatch(/CommunityModules +modules +replace/);
    expect(await stack.up()).toEqual(done);
    expect(await directories()).toEqual([
      expect.stringMatching(/^repository-/),
      expect.stringMatching(/^v2-/),
    ]);
    expect(await host.exec(`cat ${base}/v2-*/mod_demo/mod_demo.lua`)).toContain("urn:test:two");
    await canLogIn();
    expect(await stack.drift()).toEqual(clean);
  }, 180_000);

  test("a revision that is not there changes nothing; one that fails is taken back", async () => {
    const before = await mainPid();
    await stack.configure({ modulesOrigin: { source, revision: "abcdefabcdef" } });
    expect(await stack.up()).toEqual({
      code: expect.any(Number),
      text: expect.stringMatching(/unknown revision .abcdefabcdef/),
    });
    expect(await mainPid()).toBe(before);
    await stack.configure({ modulesOrigin: { source, revision: "broken" } });
    const { code, text } = await stack.up();
    expect({ failed: code !== 0, text }).toEqual({
      failed: true,
      text: expect.stringMatching(/no such luck.*The previous configuration is back in force/),
    });
    await canLogIn();
    expect(await host.exec("grep -A 3 plugin_paths /etc/prosody/prosody.cfg.lua")).toContain("/v2-");
  }, 240_000);

  test("a directory of one's own comes with what its modules need, and says what it replaces", async () => {
    mkdirSync(path.join(own, "mod_own"));
    writeFileSync(path.join(own, "mod_own/mod_own.lua"), 'module:depends("own_base")\n');
    writeFileSync(path.join(own, "mod_own_base.lua"), "\n");
    writeFileSync(path.join(own, "mod_time.lua"), 'module:add_feature("urn:test:time")\n');
    writeFileSync(path.join(own, "mod_unused.lua"), "\n");
    await stack.configure({ modulesOrigin: { directory: own }, extraModules: ["own"] });
    const { code, text } = await stack.up();
    expect({ code, text }).toEqual({
      code: 0,
      text: expect.stringMatching(/mod_time of your directory takes the place of Prosody's own/),
    });
    expect(await features()).toMatch(/\bown_base\b/);
    expect(await present()).toEqual(["mod_own", "mod_own_base.lua", "mod_time.lua"]);
    await canLogIn();
    expect(await stack.drift()).toEqual(clean);
    expect(await directories()).toEqual([expect.stringMatching(/^files-/)]);
  }, 240_000);

  test("destroy leaves nothing of it", async () => {
    expect(await stack.destroy()).toEqual(done);
    expect(await host.exec(`ls ${base} 2>/dev/null || true`)).toBe("");
  }, 120_000);
});

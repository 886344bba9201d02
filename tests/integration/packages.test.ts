import { packageName } from "../../config/family";
import { packageHandler } from "../../providers/handlers/package";
import type { PackageState } from "../../providers/package";
import { distributions, everywhere } from "../helpers/distribution";
import { HandlerHost } from "../helpers/handler-host";

const server = "xmpp.example.test";

jest.setTimeout(30_000); // a busy machine is no failure

/** Packages by the real package managers, without the engine. */
describe.each(everywhere)("on %s", (_title, release) => {
  const distribution = distributions[release];
  const isDebian = distribution.family === "debian";
  let host: HandlerHost;

  beforeAll(async () => {
    host = await HandlerHost.make("packages", release);
  }, 300_000);

  afterAll(() => host?.connection.close());

  describe("packages", () => {
    const names = ["prosody", "prosody-modules", "lua-unbound"];
    const wanted = (name: string) => ({ server, package: name, installed: true });
    let states: PackageState[];
    const remove = (name: string) => host.shell(distribution.remove(name));
    const transactions = () => host.shell(distribution.transactions);
    const version = (name: string) => host.shell(distribution.version(name));
    const reinstall = (from: PackageState[]) =>
      Promise.all(
        [0, 1].map((index) => packageHandler.update(host.connection, from[index]!, wanted(names[index]!))),
      );

    test("those wanted at once are installed in one run, without what is only recommended", async () => {
      const before = Number(await transactions());
      states = await Promise.all(names.map((name) => packageHandler.create(host.connection, wanted(name))));
      expect(Number(await transactions())).toBe(before + 1);
      for (const [index, state] of states.entries()) {
        const here = packageName(distribution.family, names[index]!);
        expect(state).toMatchObject(
          here
            ? {
                installed: true,
                adopted: false,
                family: distribution.family,
                version: await version(here),
                brought: expect.arrayContaining(["lua-expat", "lua-sec"]),
              }
            : { installed: false, needed: false, version: "", brought: [] },
        );
      }
      expect(states[0]!.version).toMatch(distribution.prosody === "13.0" ? /^13\.0\./ : /^0\.12\./);
      expect(await version("lua-readline")).toBe("");
    }, 200_000);

    test("again, nothing is done", async () => {
      const look = () => host.shell(`${distribution.transactions}; systemctl show -P MainPID prosody`);
      const before = await look();
      for (const name of names) await packageHandler.create(host.connection, wanted(name));
      expect(await look()).toBe(before);
    });

    const left = isDebian ? "prosody.cfg.lua" : "prosody.cfg.lua.rpmsave";
    const state = isDebian ? "active" : "inactive";

    test("removed by hand it is read as such, and comes back; the edited configuration is still there", async () => {
      await host.shell("echo '-- edited' >> /etc/prosody/prosody.cfg.lua");
      await remove("prosody");
      const found = await Promise.all(states.map((state) => packageHandler.read(host.connection, state)));
      expect(found.map((state) => state?.installed)).toEqual([false, false, true]);
      expect(found.map((state) => state?.version)).toEqual(states.map((state) => state.version));

      await reinstall(found as PackageState[]);
      const repaired = await Promise.all(states.map((state) => packageHandler.read(host.connection, state)));
      expect(repaired).toEqual(states);
      expect(await host.shell(`tail -1 /etc/prosody/${left}; systemctl is-active prosody || true`)).toBe(
        `-- edited\n${state}`,
      );
    }, 100_000);

    test("one without its configuration file comes back with the distribution's", async () => {
      await remove("prosody");
      await host.shell("rm -f /etc/prosody/prosody.cfg.lua");
      await reinstall(states);
      expect(
        await host.shell(
          "grep -c '^modules_enabled' /etc/prosody/prosody.cfg.lua; systemctl is-active prosody || true",
        ),
      ).toBe(`1\n${state}`);
    }, 100_000);

    // rpm has no such state: a package is in its database or not.
    if (isDebian)
      test("an installation that was cut off is finished", async () => {
        await remove("prosody");
        await host.shell(
          "cd /tmp && apt-get download prosody >/dev/null 2>&1 && dpkg --unpack prosody_*.deb >/dev/null 2>&1; " +
            "echo x > /var/lib/dpkg/updates/0001; : > /var/lib/dpkg/updates/0001",
        );
        expect(await packageHandler.read(host.connection, states[0]!)).toMatchObject({ installed: false });
        await reinstall(states);
        expect(await version("prosody")).toBe(states[0]!.version);
      }, 100_000);

    const dbi = packageName(distribution.family, "lua-dbi-sqlite3")!;
    const broughtByDbi = isDebian ? "lua-dbi-common" : "libpq5";

    test("an unknown one fails alone", async () => {
      const [bad, good] = await Promise.allSettled(
        ["nonesuch", "lua-dbi-sqlite3"].map((name) => packageHandler.create(host.connection, wanted(name))),
      );
      expect((bad as PromiseRejectedResult).reason.message).toMatch(
        isDebian
          ? /^Debian GNU\/Linux \d+ \(\w+\) has no package nonesuch\.\n {2}E: Unable to locate package nonesuch\nFix: /
          : /^Fedora Linux 42 \(Lab\) has no package nonesuch\.\n {2}No match for argument: nonesuch\n {2}Error: Unable to find a match: nonesuch\nFix: /,
      );
      expect(good).toMatchObject({
        status: "fulfilled",
        value: { adopted: false, brought: expect.arrayContaining([broughtByDbi]) },
      });
      await packageHandler.delete(host.connection, (good as PromiseFulfilledResult<PackageState>).value);
      expect([await version(dbi), await version(broughtByDbi)]).toEqual(["", ""]);
    }, 100_000);

    test("another package manager is waited for", async () => {
      await host.shell(distribution.occupy);
      const state = await packageHandler.create(host.connection, wanted("lua-event"));
      expect(await host.shell("systemctl is-active busy || true")).not.toBe("active");
      await packageHandler.delete(host.connection, state);
    }, 60_000);

    test("a package without a repository to come from, and without a network, says so", async () => {
      const [cutOff, reconnect] = isDebian
        ? [
            "echo 'Acquire::http::Proxy \"http://127.0.0.1:9\";' > /etc/apt/apt.conf.d/99broken; apt-get clean",
            "rm /etc/apt/apt.conf.d/99broken",
          ]
        : [
            "sed -i.good 's@^baseurl=.*@baseurl=http://127.0.0.1:9/@' /etc/yum.repos.d/fedora.repo; dnf -q clean all",
            "mv /etc/yum.repos.d/fedora.repo.good /etc/yum.repos.d/fedora.repo",
          ];
      await host.shell(cutOff);
      const created = packageHandler.create(host.connection, wanted("lua-event"));
      await created.catch(() => undefined).finally(() => host.shell(reconnect));
      await expect(created).rejects.toThrow(
        isDebian
          ? /^lua-event could not be fetched\.\n {2}E: Failed to fetch .*127\.0\.0\.1[\s\S]*\nFix: Check the host's network/
          : /^lua-event could not be fetched, nor could a list of packages\.\n[\s\S]*127\.0\.0\.1[\s\S]*\nFix: Check the host's network/,
      );
    }, 60_000);

    test("what came along, and somebody asked for by name since, stays", async () => {
      const state = await packageHandler.create(host.connection, wanted("lua-dbi-sqlite3"));
      const needs = isDebian ? "lua-dbi-common" : "libpq5";
      expect(state.brought).toContain(needs);
      // Somebody asked for it by name since.
      await host.shell(distribution.install(needs));
      await packageHandler.delete(host.connection, state);
      expect([await version(dbi), await version(needs)]).toEqual(["", expect.stringMatching(/./)]);
      await host.shell(distribution.remove(needs));
    }, 60_000);

    test("what the stack did not install stays; what it installed goes with what came along; data stays", async () => {
      await host.shell("touch /var/lib/prosody/users-data");
      await packageHandler.delete(host.connection, { ...states[0]!, adopted: true });
      expect(await version("prosody")).toBe(states[0]!.version);
      // One after the other, the needed one first: the order in which the engine may ask.
      for (const state of states) await packageHandler.delete(host.connection, state);
      for (const name of [...names, ...states[0]!.brought])
        expect([name, await version(name)]).toEqual([name, ""]);
      expect(await host.shell(`ls /var/lib/prosody/users-data /etc/prosody/${left}`)).not.toBe("");
      await packageHandler.delete(host.connection, states[0]!);
    }, 100_000);
  });
});

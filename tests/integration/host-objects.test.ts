import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { packageName } from "../../config/family";
import { until } from "../../lab/command";
import type { CertificateInputs } from "../../providers/certificate";
import { certificateHandler } from "../../providers/handlers/certificate";
import { packageHandler } from "../../providers/handlers/package";
import { serviceHandler } from "../../providers/handlers/service";
import type { PackageState } from "../../providers/package";
import type { SshHost } from "../../providers/ssh/host";
import { distributions, everywhere } from "../helpers/distribution";
import { byHand, open } from "../helpers/host";
import { type Certificate, certificate, type LabHost, lab } from "../helpers/lab";
import { connect } from "../helpers/xmpp";

const execute = promisify(execFile);
const account = { jid: "alice@example.test", password: "Alice's only" };

/** Packages, services and certificates on real hosts, without the engine. */
describe.each(everywhere)("on %s", (_title, release) => {
  const distribution = distributions[release];
  const isDebian = distribution.family === "debian";
  let machine: LabHost;
  let host: SshHost;
  const server = "xmpp.example.test";
  const shell = (script: string) => byHand(machine, host, script);

  beforeAll(async () => {
    machine = await lab(`host-objects-${release}`, { release });
    host = await open(machine, {}, server);
  }, 300_000);

  afterAll(() => host?.close());

  describe("packages", () => {
    const names = ["prosody", "prosody-modules", "lua-unbound"];
    const wanted = (name: string) => ({ server, package: name, installed: true });
    let states: PackageState[];
    const remove = (name: string) => shell(distribution.remove(name));
    const transactions = () => shell(distribution.transactions);
    const version = (name: string) => shell(distribution.version(name));
    const reinstall = (from: PackageState[]) =>
      Promise.all([0, 1].map((index) => packageHandler.update(host, from[index]!, wanted(names[index]!))));

    test("those wanted at once are installed in one run, without what is only recommended", async () => {
      const before = Number(await transactions());
      states = await Promise.all(names.map((name) => packageHandler.create(host, wanted(name))));
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
      const look = () => shell(`${distribution.transactions}; systemctl show -P MainPID prosody`);
      const before = await look();
      for (const name of names) await packageHandler.create(host, wanted(name));
      expect(await look()).toBe(before);
    });

    const left = isDebian ? "prosody.cfg.lua" : "prosody.cfg.lua.rpmsave";
    const state = isDebian ? "active" : "inactive";

    test("removed by hand it is read as such, and comes back; the edited configuration is still there", async () => {
      await shell("echo '-- edited' >> /etc/prosody/prosody.cfg.lua");
      await remove("prosody");
      const found = await Promise.all(states.map((state) => packageHandler.read(host, state)));
      expect(found.map((state) => state?.installed)).toEqual([false, false, true]);
      expect(found.map((state) => state?.version)).toEqual(states.map((state) => state.version));

      await reinstall(found as PackageState[]);
      const repaired = await Promise.all(states.map((state) => packageHandler.read(host, state)));
      expect(repaired).toEqual(states);
      expect(await shell(`tail -1 /etc/prosody/${left}; systemctl is-active prosody || true`)).toBe(
        `-- edited\n${state}`,
      );
    }, 100_000);

    test("one without its configuration file comes back with the distribution's", async () => {
      await remove("prosody");
      await shell("rm -f /etc/prosody/prosody.cfg.lua");
      await reinstall(states);
      expect(
        await shell(
          "grep -c '^modules_enabled' /etc/prosody/prosody.cfg.lua; systemctl is-active prosody || true",
        ),
      ).toBe(`1\n${state}`);
    }, 100_000);

    // rpm has no such state: a package is in its database or not.
    if (isDebian)
      test("an installation that was cut off is finished", async () => {
        await remove("prosody");
        await shell(
          "cd /tmp && apt-get download prosody >/dev/null 2>&1 && dpkg --unpack prosody_*.deb >/dev/null 2>&1; " +
            "echo x > /var/lib/dpkg/updates/0001; : > /var/lib/dpkg/updates/0001",
        );
        expect(await packageHandler.read(host, states[0]!)).toMatchObject({ installed: false });
        await reinstall(states);
        expect(await version("prosody")).toBe(states[0]!.version);
      }, 100_000);

    const dbi = packageName(distribution.family, "lua-dbi-sqlite3")!;
    const broughtByDbi = isDebian ? "lua-dbi-common" : "libpq5";

    test("an unknown one fails alone", async () => {
      const [bad, good] = await Promise.allSettled(
        ["nonesuch", "lua-dbi-sqlite3"].map((name) => packageHandler.create(host, wanted(name))),
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
      await packageHandler.delete(host, (good as PromiseFulfilledResult<PackageState>).value);
      expect([await version(dbi), await version(broughtByDbi)]).toEqual(["", ""]);
    }, 100_000);

    test("another package manager is waited for", async () => {
      await shell(distribution.occupy);
      const state = await packageHandler.create(host, wanted("lua-event"));
      expect(await shell("systemctl is-active busy || true")).not.toBe("active");
      await packageHandler.delete(host, state);
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
      await shell(cutOff);
      const created = packageHandler.create(host, wanted("lua-event"));
      await created.catch(() => undefined).finally(() => shell(reconnect));
      await expect(created).rejects.toThrow(
        isDebian
          ? /^lua-event could not be fetched\.\n {2}E: Failed to fetch .*127\.0\.0\.1[\s\S]*\nFix: Check the host's network/
          : /^lua-event could not be fetched, nor could a list of packages\.\n[\s\S]*127\.0\.0\.1[\s\S]*\nFix: Check the host's network/,
      );
    }, 60_000);

    test("what came along, and somebody asked for by name since, stays", async () => {
      const state = await packageHandler.create(host, wanted("lua-dbi-sqlite3"));
      const needs = isDebian ? "lua-dbi-common" : "libpq5";
      expect(state.brought).toContain(needs);
      // Somebody asked for it by name since.
      await shell(distribution.install(needs));
      await packageHandler.delete(host, state);
      expect([await version(dbi), await version(needs)]).toEqual(["", expect.stringMatching(/./)]);
      await shell(distribution.remove(needs));
    }, 60_000);

    test("what the stack did not install stays; what it installed goes with what came along; data stays", async () => {
      await shell("touch /var/lib/prosody/users-data");
      await packageHandler.delete(host, { ...states[0]!, adopted: true });
      expect(await version("prosody")).toBe(states[0]!.version);
      // One after the other, the needed one first: the order in which the engine may ask.
      for (const state of states) await packageHandler.delete(host, state);
      for (const name of [...names, ...states[0]!.brought])
        expect([name, await version(name)]).toEqual([name, ""]);
      expect(await shell(`ls /var/lib/prosody/users-data /etc/prosody/${left}`)).not.toBe("");
      await packageHandler.delete(host, states[0]!);
    }, 100_000);
  });

  describe("a server", () => {
    let tls: Certificate;
    let renewed: Certificate;
    const unit = { server, unit: "prosody", enabled: true, active: true };
    const inputs = (files: Certificate): CertificateInputs => ({
      server,
      domain: "example.test",
      chain: readFileSync(files.certificateFile, "utf8") + readFileSync(files.intermediateFile, "utf8"),
      key: readFileSync(files.keyFile, "utf8"),
      mode: "0640",
      owner: "root:prosody",
      live: true,
    });
    const serialOf = (files: Certificate) =>
      new X509Certificate(readFileSync(files.certificateFile)).serialNumber;
    const mainPid = () => shell("systemctl show -P MainPID prosody");

    /** Serial number of the certificate that a client is given. */
    async function served(port: number): Promise<string> {
      const start = port === 5222 ? "-starttls xmpp -xmpphost example.test" : "-alpn xmpp-client";
      const { stdout } = await execute("bash", [
        "-c",
        `timeout 15 bash -c 'until (: </dev/tcp/${machine.address}/${port}) 2>&-; do sleep .1; done'; ` +
          `openssl s_client -connect ${machine.address}:${port} ${start} -servername example.test ` +
          `-verify_return_error -verify_hostname example.test -CAfile ${tls.caFile} </dev/null 2>&1 | ` +
          "openssl x509 -noout -serial",
      ]);
      return stdout.trim().replace("serial=", "");
    }

    /** A reload by signal is over some time after the signal; until then the server may have no certificate at all. */
    const comesToServe = (port: number, files: Certificate) =>
      until(
        async () => ((await served(port).catch(() => "")) === serialOf(files) ? true : undefined),
        15,
        () => `Port ${port} does not serve ${serialOf(files)}.`,
      );

    beforeAll(async () => {
      tls = await certificate("example.test");
      renewed = await certificate("example.test", { expiresInDays: 90 });
      await packageHandler.create(host, { server, package: "prosody", installed: true });
      await shell(
        `cd /etc/prosody && sed -i '1i c2s_direct_tls_ports = { 5223 }' prosody.cfg.lua
echo 'VirtualHost "example.test"' > conf.d/example.test.cfg.lua
chown root:prosody conf.d/*
systemctl enable prosody 2>&1; systemctl restart prosody
i=0; until [ -S ${distribution.adminSocket} ] || [ $i -gt 50 ]; do i=$((i + 1)); sleep .1; done`,
      );
    }, 200_000);

    describe("its certificate", () => {
      let state: Awaited<ReturnType<typeof certificateHandler.create>>;

      test("passes the check; with another's key it does not", () => {
        expect(certificateHandler.check!(inputs(tls))).toEqual([]);
        expect(certificateHandler.check!({ ...inputs(tls), key: inputs(renewed).key })).toEqual([
          { property: "key", reason: expect.stringMatching(/does not belong to the certificate/) },
        ]);
      });

      test("is put in place and served", async () => {
        state = await certificateHandler.create(host, inputs(tls));
        expect(state.expires).toBe(
          new Date(new X509Certificate(readFileSync(tls.certificateFile)).validTo).toISOString(),
        );
        expect(await shell("stat -c '%a %U:%G' /etc/prosody/certs/example.test.*")).toBe(
          "640 root:prosody\n640 root:prosody",
        );
        expect([await served(5222), await served(5223)]).toEqual([serialOf(tls), serialOf(tls)]);
        expect(await certificateHandler.read(host, state)).toEqual(state);
      });

      test("a second create touches nothing", async () => {
        const look = () =>
          shell("stat -c '%n %y %i' /etc/prosody/certs/*; systemctl show -P MainPID prosody");
        const before = await look();
        expect(await certificateHandler.create(host, inputs(tls))).toEqual(state);
        expect(await look()).toBe(before);
      });

      test("a renewal is served without a restart, and who is connected stays", async () => {
        await shell(
          `printf '%s\\n%s\\n' "${account.password}" "${account.password}" | prosodyctl adduser ${account.jid}`,
        );
        const pid = await mainPid();
        const session = await connect({ address: machine.address, port: 5222, caFile: tls.caFile }, account);
        state = await certificateHandler.update(host, state, inputs(renewed));
        expect([await served(5222), await served(5223)]).toEqual([serialOf(renewed), serialOf(renewed)]);
        expect(await session.end()).toBe("alive");
        expect(await mainPid()).toBe(pid);
        expect(await shell("ls /var/backups/prosody-pulumi 2>/dev/null || true")).toBe("");
      }, 30_000);

      const crt = "/etc/prosody/certs/example.test.crt";
      const key = "/etc/prosody/certs/example.test.key";
      test.each([
        [
          "another certificate",
          `cp /etc/ssl/certs/ca-certificates.crt ${crt}`,
          { chain: expect.any(String) },
        ],
        ["a changed mode of the key", `chmod 0644 ${key}`, { mode: "0640, key 0644" }],
        ["a changed owner", `chown prosody ${crt} ${key}`, { owner: "prosody:prosody" }],
        ["a deleted key", `rm ${key}`, { key: "" }],
        ["a deleted certificate", `rm ${crt}`, { chain: "", expires: "" }],
        ["a link to elsewhere", `cp ${crt} /root/x && ln -sf /root/x ${crt}`, { mode: "0600, key 0640" }],
      ])(
        "%s is found and repaired",
        async (what, byHand, found) => {
          if (what.includes("link")) await shell("umask 077; rm -f /root/x");
          await shell(`umask 077; ${byHand}`);
          const read = (await certificateHandler.read(host, state))!;
          expect(read).not.toEqual(state);
          expect(read).toMatchObject(found);
          expect(await certificateHandler.update(host, read, inputs(renewed))).toEqual(state);
          expect(await certificateHandler.read(host, state)).toEqual(state);
          expect(await served(5222)).toBe(serialOf(renewed));
        },
        30_000,
      );

      test("what somebody else had put there is kept for root alone", async () => {
        expect(
          await shell(
            "cd /var/backups/prosody-pulumi; stat -c '%a %U' . *; cmp example.test.crt-* /etc/ssl/certs/ca-certificates.crt",
          ),
        ).toBe("700 root\n600 root");
      });

      test("one that the server could not load is tried again", async () => {
        await shell(
          "cp -p /etc/prosody/prosody.cfg.lua /root/good; echo 'foo bar' >> /etc/prosody/prosody.cfg.lua",
        );
        await expect(certificateHandler.update(host, state, inputs(tls))).rejects.toThrow(
          /^the certificates are in place, but Prosody did not load them: [\s\S]*prosody\.cfg\.lua:\d+/,
        );
        expect(await certificateHandler.read(host, state)).toMatchObject({ live: false });
        await shell("cp -p /root/good /etc/prosody/prosody.cfg.lua");
        state = await certificateHandler.update(host, state, inputs(tls));
        expect(await certificateHandler.read(host, state)).toEqual(state);
        expect(await served(5222)).toBe(serialOf(tls));
      }, 30_000);

      test("without an admin socket it is loaded by a signal, even of a server just started", async () => {
        await shell(
          `sed -i 's/"admin_shell";//' /etc/prosody/prosody.cfg.lua; rm -f ${distribution.adminSocket}`,
        );
        await machine.exec("systemctl restart prosody");
        state = await certificateHandler.update(host, state, inputs(renewed));
        expect(await shell("systemctl is-active prosody")).toBe("active");
        await comesToServe(5223, renewed);

        await shell("echo 'foo bar' >> /etc/prosody/prosody.cfg.lua");
        await expect(certificateHandler.update(host, state, inputs(tls))).rejects.toThrow(
          /prosody\.cfg\.lua:\d+/,
        );
        await shell("cp -p /root/good /etc/prosody/prosody.cfg.lua; systemctl restart prosody");
        state = await certificateHandler.update(host, state, inputs(tls));
      }, 60_000);

      test("a stopped server needs nothing", async () => {
        await shell("systemctl stop prosody");
        state = await certificateHandler.update(host, state, inputs(renewed));
        expect(await certificateHandler.read(host, state)).toEqual(state);
        await shell("systemctl start prosody");
      });

      test("a delete keeps copies; what is gone is no error", async () => {
        await certificateHandler.delete(host, state);
        expect(await certificateHandler.read(host, state)).toBeUndefined();
        expect(await shell("ls /etc/prosody/certs")).not.toContain("example.test");
        expect(await shell("cat /var/backups/prosody-pulumi/example.test.key-* | tail -c 300")).toContain(
          inputs(renewed).key.trim(),
        );
        await certificateHandler.delete(host, state);
      });
    });

    describe("its service", () => {
      let state: Awaited<ReturnType<typeof serviceHandler.create>>;

      test("is adopted as it runs", async () => {
        await shell("systemctl reset-failed prosody; systemctl restart prosody");
        const pid = await mainPid();
        state = await serviceHandler.create(host, unit);
        expect(state).toEqual({ ...unit, before: { enabled: true, active: true } });
        expect(await mainPid()).toBe(pid);
      });

      test.each([
        ["stopped", "systemctl stop prosody", { enabled: true, active: false }],
        ["disabled", "systemctl disable prosody", { enabled: false, active: true }],
        ["masked", "systemctl mask prosody", { enabled: false, active: true }],
        ["masked and stopped", "systemctl mask --now prosody", { enabled: false, active: false }],
        [
          "killed",
          "systemctl kill -s KILL prosody; systemctl stop prosody",
          { enabled: true, active: false },
        ],
      ])(
        "%s by hand is found and repaired",
        async (_what, byHand, found) => {
          await shell(`${byHand} 2>&1`);
          const read = (await serviceHandler.read(host, state))!;
          expect(read).toEqual({ ...state, ...found });
          expect(await serviceHandler.update(host, read, unit)).toEqual(state);
          expect(await serviceHandler.read(host, state)).toEqual(state);
          expect(await shell("systemctl is-enabled prosody; prosodyctl status >/dev/null; echo $?")).toBe(
            "enabled\n0",
          );
        },
        30_000,
      );

      test("a start that fails, even too often, says why; after the cause is gone it works", async () => {
        await shell(
          "cp -p /etc/prosody/prosody.cfg.lua /root/good; echo 'foo bar' >> /etc/prosody/prosody.cfg.lua",
        );
        await shell(
          "for i in 1 2 3 4 5 6 7; do systemctl restart prosody || true; sleep .3; done 2>/dev/null",
        );
        const read = (await serviceHandler.read(host, state))!;
        expect(read).toMatchObject({ enabled: true, active: false });
        await expect(serviceHandler.update(host, read, unit)).rejects.toThrow(
          /^prosody does not run: it ended at once \(failed, exit-code\)\.[\s\S]*prosody\.cfg\.lua:\d+: syntax error[\s\S]*\nFix: /,
        );
        await shell("cp -p /root/good /etc/prosody/prosody.cfg.lua");
        await serviceHandler.update(host, read, unit);
        expect(await serviceHandler.read(host, state)).toEqual(state);
      }, 60_000);

      test("without its package it neither runs nor is enabled, and comes back with it", async () => {
        await shell(distribution.remove("prosody"));
        const read = (await serviceHandler.read(host, state))!;
        expect(read).toEqual({ ...state, enabled: false, active: false });
        await expect(serviceHandler.update(host, read, unit)).rejects.toThrow(/^there is no unit prosody\./);
        await packageHandler.create(host, { server, package: "prosody", installed: true });
        expect(await serviceHandler.update(host, read, unit)).toEqual(state);
        expect(await serviceHandler.read(host, state)).toEqual(state);
      }, 60_000);

      test("a delete gives back what it found", async () => {
        await serviceHandler.delete(host, state);
        expect(await shell("systemctl is-active prosody; systemctl is-enabled prosody")).toBe(
          "active\nenabled",
        );
        await serviceHandler.delete(host, { ...state, before: { enabled: false, active: false } });
        expect(
          await shell("systemctl is-active prosody; systemctl is-enabled prosody 2>/dev/null || true"),
        ).toBe("inactive\ndisabled");
      });
    });
  });
});

import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { until } from "../../lab/command";
import type { CertificateInputs } from "../../providers/certificate";
import { certificateHandler } from "../../providers/handlers/certificate";
import { packageHandler } from "../../providers/handlers/package";
import { selfSignedCertificateHandler } from "../../providers/handlers/self-signed-certificate";
import { serviceHandler } from "../../providers/handlers/service";
import { pendingMark } from "../../providers/load-certificates";
import { distributions, everywhere } from "../helpers/distribution";
import { HandlerHost } from "../helpers/handler-host";
import { type Certificate, certificate } from "../helpers/lab";
import { connect } from "../helpers/xmpp";

const execute = promisify(execFile);
const server = "xmpp.example.test";
const account = { jid: "alice@example.test", password: "Alice's only" };

jest.setTimeout(30_000); // a busy machine is no failure

/** What a Prosody that runs has on its host beside its configuration, without the engine. */
describe.each(everywhere)("on %s", (_title, release) => {
  const distribution = distributions[release];
  let host: HandlerHost;

  beforeAll(async () => {
    host = await HandlerHost.make("certificate", release);
  }, 300_000);

  afterAll(() => host?.connection.close());

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
    const mainPid = () => host.shell("systemctl show -P MainPID prosody");

    /** Serial number of the certificate that a client is given. */
    async function served(port: number): Promise<string> {
      const start = port === 5222 ? "-starttls xmpp -xmpphost example.test" : "-alpn xmpp-client";
      const { stdout } = await execute("bash", [
        "-c",
        `timeout 15 bash -c 'until (: </dev/tcp/${host.machine.address}/${port}) 2>&-; do sleep .1; done'; ` +
          `openssl s_client -connect ${host.machine.address}:${port} ${start} -servername example.test ` +
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
      await packageHandler.create(host.connection, { server, package: "prosody", installed: true });
      await host.shell(
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
        state = await certificateHandler.create(host.connection, inputs(tls));
        expect(state.expires).toBe(
          new Date(new X509Certificate(readFileSync(tls.certificateFile)).validTo).toISOString(),
        );
        expect(await host.shell("stat -c '%a %U:%G' /etc/prosody/certs/example.test.*")).toBe(
          "640 root:prosody\n640 root:prosody",
        );
        expect([await served(5222), await served(5223)]).toEqual([serialOf(tls), serialOf(tls)]);
        expect(await certificateHandler.read(host.connection, state)).toEqual(state);
      });

      test("a second create touches nothing", async () => {
        const look = () =>
          host.shell("stat -c '%n %y %i' /etc/prosody/certs/*; systemctl show -P MainPID prosody");
        const before = await look();
        expect(await certificateHandler.create(host.connection, inputs(tls))).toEqual(state);
        expect(await look()).toBe(before);
      });

      test("a renewal is served without a restart, and who is connected stays", async () => {
        await host.shell(
          `printf '%s\\n%s\\n' "${account.password}" "${account.password}" | prosodyctl adduser ${account.jid}`,
        );
        const pid = await mainPid();
        const session = await connect(
          { address: host.machine.address, port: 5222, caFile: tls.caFile },
          account,
        );
        state = await certificateHandler.update(host.connection, state, inputs(renewed));
        expect([await served(5222), await served(5223)]).toEqual([serialOf(renewed), serialOf(renewed)]);
        expect(await session.end()).toBe("alive");
        expect(await mainPid()).toBe(pid);
        expect(await host.shell("ls /var/backups/prosody-pulumi 2>/dev/null || true")).toBe("");
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
          if (what.includes("link")) await host.shell("umask 077; rm -f /root/x");
          await host.shell(`umask 077; ${byHand}`);
          const read = (await certificateHandler.read(host.connection, state))!;
          expect(read).not.toEqual(state);
          expect(read).toMatchObject(found);
          expect(await certificateHandler.update(host.connection, read, inputs(renewed))).toEqual(state);
          expect(await certificateHandler.read(host.connection, state)).toEqual(state);
          expect(await served(5222)).toBe(serialOf(renewed));
        },
        30_000,
      );

      test("what somebody else had put there is kept for root alone", async () => {
        expect(
          await host.shell(
            "cd /var/backups/prosody-pulumi; stat -c '%a %U' . *; cmp example.test.crt-* /etc/ssl/certs/ca-certificates.crt",
          ),
        ).toBe("700 root\n600 root");
      });

      test("one that the server could not load is tried again", async () => {
        await host.shell(
          "cp -p /etc/prosody/prosody.cfg.lua /root/good; echo 'foo bar' >> /etc/prosody/prosody.cfg.lua",
        );
        await certificateHandler.update(host.connection, state, inputs(tls));
        expect(await served(5222)).toBe(serialOf(renewed));
        expect(await certificateHandler.read(host.connection, state)).toMatchObject({ live: false });
        await host.shell("cp -p /root/good /etc/prosody/prosody.cfg.lua");
        state = await certificateHandler.update(host.connection, state, inputs(tls));
        expect(await certificateHandler.read(host.connection, state)).toEqual(state);
        expect(await served(5222)).toBe(serialOf(tls));
      }, 30_000);

      test("without an admin socket it is loaded by a signal, even of a server just started", async () => {
        await host.shell(
          `sed -i 's/"admin_shell";//' /etc/prosody/prosody.cfg.lua; rm -f ${distribution.adminSocket}`,
        );
        await host.machine.exec("systemctl restart prosody");
        state = await certificateHandler.update(host.connection, state, inputs(renewed));
        expect(await host.shell("systemctl is-active prosody")).toBe("active");
        await comesToServe(5223, renewed);

        await host.shell("echo 'foo bar' >> /etc/prosody/prosody.cfg.lua");
        await certificateHandler.update(host.connection, state, inputs(tls));
        expect(await certificateHandler.read(host.connection, state)).toMatchObject({ live: false });
        await host.shell("cp -p /root/good /etc/prosody/prosody.cfg.lua; systemctl restart prosody");
        state = await certificateHandler.update(host.connection, state, inputs(tls));
      }, 60_000);

      test("a stopped server needs nothing", async () => {
        await host.shell("systemctl stop prosody");
        state = await certificateHandler.update(host.connection, state, inputs(renewed));
        expect(await certificateHandler.read(host.connection, state)).toEqual(state);
        await host.shell("systemctl start prosody");
      });

      test("a delete keeps copies; what is gone is no error", async () => {
        await certificateHandler.delete(host.connection, state);
        expect(await certificateHandler.read(host.connection, state)).toBeUndefined();
        expect(await host.shell("ls /etc/prosody/certs")).not.toContain("example.test");
        expect(
          await host.shell("cat /var/backups/prosody-pulumi/example.test.key-* | tail -c 300"),
        ).toContain(inputs(renewed).key.trim());
        await certificateHandler.delete(host.connection, state);
      });
    });

    test("one that it made itself and has not loaded shows, and is loaded", async () => {
      const wanted = { server, domain: "self.example.test", names: ["self.example.test"], flaw: "" };
      const made = await selfSignedCertificateHandler.create(host.connection, wanted);
      expect(await selfSignedCertificateHandler.read(host.connection, made)).toEqual(made);
      await host.shell(`touch ${pendingMark}`); // as where the connection ended before the load
      const found = (await selfSignedCertificateHandler.read(host.connection, made))!;
      expect(found).toEqual({ ...made, flaw: "the running server has not loaded it" });
      expect(await selfSignedCertificateHandler.update(host.connection, found, wanted)).toEqual(made);
      expect(await selfSignedCertificateHandler.read(host.connection, made)).toEqual(made);
      await selfSignedCertificateHandler.delete(host.connection, made);
    });

    describe("its service", () => {
      let state: Awaited<ReturnType<typeof serviceHandler.create>>;

      test("is adopted as it runs", async () => {
        await host.shell("systemctl reset-failed prosody; systemctl restart prosody");
        const pid = await mainPid();
        state = await serviceHandler.create(host.connection, unit);
        expect(state).toEqual({ ...unit, before: { enabled: true, active: true } });
        expect(await mainPid()).toBe(pid);
      });

      test.each([
        ["stopped", "systemctl stop prosody", { enabled: true, active: false }],
        ["disabled", "systemctl disable prosody", { enabled: false, active: true }],
        ["masked", "systemctl mask prosody", { enabled: false, active: true }],
        [
          "masked until a reboot",
          "systemctl mask --runtime --now prosody",
          { enabled: false, active: false },
        ],
        ["masked and stopped", "systemctl mask --now prosody", { enabled: false, active: false }],
        [
          "killed",
          "systemctl kill -s KILL prosody; systemctl stop prosody",
          { enabled: true, active: false },
        ],
      ])(
        "%s by hand is found and repaired",
        async (_what, byHand, found) => {
          await host.shell(`${byHand} 2>&1`);
          const read = (await serviceHandler.read(host.connection, state))!;
          expect(read).toEqual({ ...state, ...found });
          expect(await serviceHandler.update(host.connection, read, unit)).toEqual(state);
          expect(await serviceHandler.read(host.connection, state)).toEqual(state);
          expect(
            await host.shell("systemctl is-enabled prosody; prosodyctl status >/dev/null; echo $?"),
          ).toBe("enabled\n0");
        },
        30_000,
      );

      test("a start that fails, even too often, says why; after the cause is gone it works", async () => {
        await host.shell(
          "cp -p /etc/prosody/prosody.cfg.lua /root/good; echo 'foo bar' >> /etc/prosody/prosody.cfg.lua",
        );
        await host.shell(
          "for i in 1 2 3 4 5 6 7; do systemctl restart prosody || true; sleep .3; done 2>/dev/null",
        );
        const read = (await serviceHandler.read(host.connection, state))!;
        expect(read).toMatchObject({ enabled: true, active: false });
        await expect(serviceHandler.update(host.connection, read, unit)).rejects.toThrow(
          /^prosody does not run: it ended at once \(failed, exit-code\)\.[\s\S]*prosody\.cfg\.lua:\d+: syntax error[\s\S]*\nFix: /,
        );
        await host.shell("cp -p /root/good /etc/prosody/prosody.cfg.lua");
        await serviceHandler.update(host.connection, read, unit);
        expect(await serviceHandler.read(host.connection, state)).toEqual(state);
      }, 60_000);

      test("without its package it neither runs nor is enabled, and comes back with it", async () => {
        await host.shell(distribution.remove("prosody"));
        const read = (await serviceHandler.read(host.connection, state))!;
        expect(read).toEqual({ ...state, enabled: false, active: false });
        await expect(serviceHandler.update(host.connection, read, unit)).rejects.toThrow(
          /^there is no unit prosody\./,
        );
        await packageHandler.create(host.connection, { server, package: "prosody", installed: true });
        expect(await serviceHandler.update(host.connection, read, unit)).toEqual(state);
        expect(await serviceHandler.read(host.connection, state)).toEqual(state);
      }, 60_000);

      test("a delete gives back what it found", async () => {
        await serviceHandler.delete(host.connection, state);
        expect(await host.shell("systemctl is-active prosody; systemctl is-enabled prosody")).toBe(
          "active\nenabled",
        );
        await serviceHandler.delete(host.connection, { ...state, before: { enabled: false, active: false } });
        expect(
          await host.shell("systemctl is-active prosody; systemctl is-enabled prosody 2>/dev/null || true"),
        ).toBe("inactive\ndisabled");
      });
    });
  });
});

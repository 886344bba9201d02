import fs from "node:fs";
import { Secret } from "../../config/secret";
import type { HostSettings } from "../../config/settings";
import type { AccountInputs, AccountState } from "../../providers/account";
import { adminShell, isUnavailable, lua } from "../../providers/admin-shell";
import { accounts } from "../../providers/facts/accounts";
import { accountHandler } from "../../providers/handlers/account";
import type { RunOptions } from "../../providers/host";
import type { SshHost } from "../../providers/ssh/host";
import { type LoginResult, login } from "../../tools/login";
import { distributions, everywhere } from "../helpers/distribution";
import { open as openByWay } from "../helpers/host";
import { type Certificate, certificate, type LabHost, lab, sudoPassword } from "../helpers/lab";
import { connect } from "../helpers/xmpp";

/** A virtual host whose passwords are hashed otherwise than Prosody does by default. */
const stronger = "sha256.test";

const configuration = (adminSocket: string, hosts: string[]) => `
admin_socket = "${adminSocket}"
data_path = "/var/lib/prosody"
pidfile = "/run/prosody/prosody.pid"
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "pep", "mam", "offline", "admin_shell" }
log = { debug = "/var/log/prosody/prosody.log", "*syslog" }
certificates = "certs"
c2s_require_encryption = true
s2s_ports = {}
${hosts.map((host) => `VirtualHost "${host}"${host === stronger ? '\npassword_hash = "SHA-256"' : ""}`).join("\n")}
`;

describe.each(everywhere)("accounts on %s", (_title, release) => {
  const distribution = distributions[release];
  let lab_: LabHost;
  let host: SshHost;
  let tls: Certificate;
  /** Round trips to the host. */
  let trips = 0;
  /** What the last one sent. */
  let sent = "";

  const { create, read, update, delete: remove, diff } = accountHandler;
  const account = (jid: string, password = "p", more: Partial<AccountInputs> = {}): AccountInputs => ({
    server: "server",
    jid: `${jid}@example.test`,
    exists: true,
    password,
    policy: "initial",
    ...more,
  });
  const absent = (jid: string) => account(jid, undefined, { exists: false, password: undefined });
  const logIn = (jid: string, password: string): Promise<LoginResult> =>
    login(
      { address: lab_.address, port: 5222, caFile: tls.caFile },
      { jid: `${jid}@example.test`, password },
    );
  const success = (jid: string) => ({ jid: `${jid}@example.test/login`, protocol: "TLSv1.3" });
  const refused = { error: "not-authorized" };
  const archives = async (jid: string) => {
    const find = `find /var/backups/prosody-pulumi -name '${jid}@example.test-*' -printf '%f\\n' 2>&- || true`;
    return (await lab_.exec(find)).split("\n").filter(Boolean);
  };
  const files = async (name: string) =>
    (await lab_.exec(`cd /var/lib/prosody && find . -name '${name}.*' | sort`)).split("\n").filter(Boolean);
  const configure = async (...hosts: string[]) => {
    await lab_.exec(
      `cat > /etc/prosody/prosody.cfg.lua <<'EOF'\n${configuration(distribution.adminSocket, hosts)}\nEOF`,
    );
    await start();
  };
  /** What was read before is not shared with what is read next. */
  const byHand = (script: string) => host.run(script, { doing: "changing by hand", changes: true });
  const start = async () => {
    await lab_.exec(
      "systemctl reset-failed prosody; systemctl restart prosody; " +
        "for i in $(seq 100); do ss -ltn | grep -q :5222 && ss -lx | grep -q prosody.sock && break; sleep .1; done",
    );
  };
  const open = async (more?: Partial<HostSettings>) => {
    const opened = await openByWay(lab_, more, "server");
    const run = opened.run.bind(opened);
    opened.run = (script: string, options: RunOptions) => {
      trips++;
      sent = String(options.input);
      return run(script, options);
    };
    return opened;
  };
  const counted = async <T>(action: () => Promise<T>): Promise<[trips: number, result: T]> => {
    const before = trips;
    const result = await action();
    return [trips - before, result];
  };

  beforeAll(async () => {
    lab_ = await lab(`accounts-${release}`, { release, sudoPassword: true });
    tls = await certificate("example.test");
    const pem = (...names: string[]) => names.map((name) => fs.readFileSync(name, "utf8")).join("");
    const put = (name: string, content: string) =>
      `install -m 0640 -g prosody /dev/stdin /etc/prosody/certs/${name} <<'EOF'\n${content}EOF\n`;
    await lab_.exec(
      `${distribution.install("prosody")} >/dev/null\n` +
        put("example.test.crt", pem(tls.certificateFile, tls.intermediateFile)) +
        put("example.test.key", pem(tls.keyFile)),
    );
    await configure("example.test", "other.test");
    host = await open();
  }, 300_000);

  afterAll(async () => {
    await host?.close();
  });

  test("any name and any password log in, and all are made in one round trip", async () => {
    const wanted: [jid: string, password: string, prepared?: string][] = [
      ["alice", `q"u'o\\t<b>&amp;]]>`],
      ["per%41cent", "ein Paßwort für Ünïcode 🦊"],
      ["müller", "\\u0041 %s $(id) `id`"],
      ["dot.ted", "  blanks  within  "],
      ["plus+tag", "ª\u00a0Ⅸ", "a IX"], // xmpp.js leaves SASLprep to its user
      ["x-_~!*", "x".repeat(500)],
    ];
    const [runs, states] = await counted(() =>
      Promise.all(wanted.map(([jid, password]) => create(host, account(jid, password)))),
    );
    expect(runs).toBe(1);
    const inputs = sent;
    for (const [index, [jid, password, prepared = password]] of wanted.entries()) {
      expect(await logIn(jid, prepared)).toEqual(success(jid));
      expect(await logIn(jid, `${password}.`)).toEqual(refused);
      expect(states[index]).toEqual(await read(host, { ...states[index]!, verifier: undefined }));
      expect(await diff!(states[index]!, account(jid, password, { policy: "enforced" }))).toEqual(["policy"]);
      // SASLprep has nothing to change in such a password, so that the server need not hash it.
      expect(inputs.includes(states[index]!.verifier!)).toBe(/^[ -~]+$/.test(password));
    }
  }, 120_000);

  test("a server that hashes otherwise does it by itself", async () => {
    await configure("example.test", "other.test", stronger);
    const state = await create(host, account("x", "plain", { jid: `x@${stronger}` }));
    expect(state.verifier).toMatch(/^SCRAM-SHA-256\$10000:/);
    expect(await diff!(state, account("x", "plain", { jid: `x@${stronger}`, policy: "enforced" }))).toEqual([
      "policy",
    ]);
    await remove(host, state);
    await configure("example.test", "other.test");
  }, 60_000);

  test("a new account has the role that Prosody gives to those its administrators make", async () => {
    if (distribution.prosody === "0.12") return; // 0.12 has no roles for accounts
    expect(
      await adminShell(host, ['user:role("alice@example.test")', 'user:list("example.test", "^alice$")'], {
        doing: "test",
      }),
    ).toEqual([
      { ok: true, text: "prosody:member" },
      { ok: true, text: "alice@example.test\nShowing 1 of 6 users" },
    ]);
  });

  test("what is there is adopted: initial keeps its password, enforced sets it", async () => {
    await byHand("printf 'theirs\\ntheirs\\n' | prosodyctl adduser adopted@example.test");
    const [runs, kept] = await counted(() => create(host, account("adopted", "ours")));
    expect(runs).toBe(1);
    expect(await logIn("adopted", "theirs")).toEqual(success("adopted"));
    expect(await diff!(kept, account("adopted", "ours"))).toEqual([]);

    const enforced = account("adopted", "ours", { policy: "enforced" });
    expect(await diff!(kept, enforced)).toEqual(["policy", "password"]);
    const state = await create(host, enforced);
    expect(await logIn("adopted", "ours")).toEqual(success("adopted"));
    expect(await create(host, enforced)).toEqual(state);
  }, 60_000);

  test("a password changed by hand is drift where it is enforced, and only then set again", async () => {
    const inputs = account("drifting", "ours", { policy: "enforced" });
    const made = await create(host, inputs);
    await byHand("printf 'theirs\\ntheirs\\n' | prosodyctl passwd drifting@example.test");
    const drifted = (await read(host, made))!;
    expect(await diff!(drifted, inputs)).toEqual(["password"]);
    expect(await diff!({ ...drifted, policy: "initial" }, { ...inputs, policy: "initial" })).toEqual([]);

    const repaired = await update(host, drifted, inputs);
    expect(await logIn("drifting", "ours")).toEqual(success("drifting"));
    expect(await logIn("drifting", "theirs")).toEqual(refused);
    expect(await diff!(repaired, inputs)).toEqual([]);

    const [runs, same] = await counted(() => update(host, repaired, { ...inputs, policy: "initial" }));
    expect([runs, same]).toEqual([0, { ...repaired, policy: "initial" }]);
  }, 60_000);

  test("a client stays connected through everything but a new password", async () => {
    const inputs = account("online", "first", { policy: "enforced" });
    const state = await create(host, inputs);
    const server = { address: lab_.address, port: 5222, caFile: tls.caFile };
    const session = await connect(server, { jid: inputs.jid, password: "first" });
    await create(host, inputs);
    await read(host, state);
    await update(host, state, { ...inputs, policy: "initial" });
    expect(await session.end()).toBe("alive");
  }, 60_000);

  test("a password that Prosody refuses fails that account alone and leaves nothing", async () => {
    const [bad, good] = await Promise.allSettled([
      create(host, account("refused", "bell\u0007")),
      create(host, account("beside", "fine")),
    ]);
    expect(bad).toEqual({
      status: "rejected",
      reason: new Error("Prosody refuses the password: SASLprep (RFC 4013); choose another in prosody:jids"),
    });
    expect(good.status).toBe("fulfilled");
    expect(await files("refused")).toEqual([]);
    expect(await logIn("beside", "fine")).toEqual(success("beside"));
  }, 60_000);

  test("an account that was cut off while it was made gets its password", async () => {
    await lua(
      host,
      'require"core.storagemanager".open("example.test", "accounts"):set("halfmade", { disabled = true })',
      { doing: "test", changes: true },
    );
    const state: AccountState = {
      server: "server",
      jid: "halfmade@example.test",
      exists: true,
      policy: "initial",
    };
    const found = (await read(host, state))!;
    expect(found).toEqual(state);
    expect(await diff!(found, account("halfmade", "late"))).toEqual(["password"]);
    await update(host, found, account("halfmade", "late"));
    expect(await logIn("halfmade", "late")).toEqual(success("halfmade"));
  }, 60_000);

  test("a password that another server left in clear is one", async () => {
    await lua(
      host,
      'require"core.storagemanager".open("example.test", "accounts"):set("clear", { password = "theirs" })',
      { doing: "test", changes: true },
    );
    const inputs = account("clear", "ours");
    const state = await create(host, inputs);
    expect(await diff!(state, inputs)).toEqual([]);
    expect(await diff!(state, { ...inputs, policy: "enforced" })).toEqual(["policy", "password"]);
    expect(await diff!(state, account("clear", "theirs", { policy: "enforced" }))).toEqual(["policy"]);
    expect(await logIn("clear", "theirs")).toEqual(success("clear"));
  }, 60_000);

  test("a deletion leaves an archive that only root reads and that brings everything back", async () => {
    const store = (name: string, value: string) =>
      `require"core.storagemanager".open("example.test", "${name}"):set("ü%b", ${value})`;
    const state = await create(host, account("ü%b", "kept"));
    const session = await connect(
      { address: lab_.address, port: 5222, caFile: tls.caFile },
      { jid: state.jid, password: "kept" },
    );
    for (const code of [
      store("roster", '{ ["x@y.test"] = { subscription = "both", groups = {} } }'),
      store("private", '{ a = "b" }'),
      'local s = require"util.stanza".message{ to = "ü%b@example.test" }:body("Hi"); ' +
        'require"core.storagemanager".open("example.test", "archive", "archive"):append("ü%b", nil, s, 1, "x@y.test")',
    ])
      await lua(host, code, { doing: "test", changes: true });
    const name = "%c3%bc%25b";
    const before = await files(name);
    expect(before).toEqual(
      expect.arrayContaining([
        `./example%2etest/accounts/${name}.dat`,
        `./example%2etest/archive/${name}.list`,
        `./example%2etest/private/${name}.dat`,
        `./example%2etest/roster/${name}.dat`,
      ]),
    );
    const content = `cd /var/lib/prosody && find . -name '${name}.*' | sort | xargs -d '\\n' sha256sum`;
    const sums = await lab_.exec(content);

    await remove(host, state);
    expect(await session.end()).not.toBe("alive");
    expect(await files(name)).toEqual([]);
    expect(await logIn("ü%b", "kept")).toEqual(refused);
    const [archive, ...others] = await archives("ü%b");
    expect(others).toEqual([]);
    expect(archive).toMatch(/^ü%b@example\.test-\d{8}T\d{6}\.\d{3}Z\.tar\.gz$/);
    expect(await lab_.exec(`cd /var/backups/prosody-pulumi && stat -c '%a %U:%G' . '${archive}'`)).toBe(
      "700 root:root\n600 root:root\n",
    );

    await lab_.exec(
      `systemctl stop prosody && tar -xzpf '/var/backups/prosody-pulumi/${archive}' -C /var/lib/prosody`,
    );
    await start();
    expect(await lab_.exec(content)).toBe(sums);
    expect(await logIn("ü%b", "kept")).toEqual(success("ü%b"));
    expect(await read(host, state)).toEqual(state);
  }, 120_000);

  test("the archive of long names and much data is whole", async () => {
    const user = "ü".repeat(40);
    const name = "%c3%bc".repeat(40);
    const state = await create(host, account(user));
    await lab_.exec(
      "cd /var/lib/prosody/example%2etest && install -d -o prosody -g prosody archive && head -c 3000001 /dev/urandom | " +
        `install -m 0600 -o prosody -g prosody /dev/stdin archive/${name}.list`,
    );
    const look = `find . -name '${name}.*' -exec stat -c '%a %U:%G %s %Y %n' {} + -exec sha256sum {} + | sort`;
    const before = await lab_.exec(`cd /var/lib/prosody && ${look}`);
    expect(before).toContain(`600 prosody:prosody 3000001 `);
    await remove(host, state);
    expect(await files(name)).toEqual([]);
    expect(
      await lab_.exec(
        `rm -rf /root/restored && mkdir /root/restored && cd /root/restored && tar -xzpf /var/backups/prosody-pulumi/${user}@*.tar.gz && ${look}`,
      ),
    ).toBe(before);
  }, 60_000);

  test("an account that must not exist is found, archived and deleted", async () => {
    const [runs, none] = await counted(() => create(host, absent("mallory")));
    expect([runs, none]).toEqual([
      1,
      { server: "server", jid: "mallory@example.test", exists: false, policy: "initial" },
    ]);
    expect(await read(host, none)).toEqual(none);
    await byHand("printf 'x\\nx\\n' | prosodyctl adduser mallory@example.test");
    const there = (await read(host, none))!;
    expect(there.exists).toBe(true);
    expect(await diff!(there, absent("mallory"))).toEqual(["exists"]);
    expect(await update(host, there, absent("mallory"))).toEqual(none);
    expect(await logIn("mallory", "x")).toEqual(refused);
    expect(await archives("mallory")).toHaveLength(1);
    await remove(host, none); // touches nothing
    expect(await archives("mallory")).toHaveLength(1);
  }, 60_000);

  test("what is gone reads as gone, and its deletion succeeds without an archive", async () => {
    const state = await create(host, account("gone"));
    await byHand("prosodyctl deluser gone@example.test");
    expect(await read(host, state)).toBeUndefined();
    await remove(host, state);
    expect(await archives("gone")).toEqual([]);
  }, 60_000);

  test("200 accounts are made, read and deleted in few round trips", async () => {
    const many = Array.from({ length: 200 }, (_, index) => account(`user${index}`));
    const made = await counted(() => Promise.all(many.map((each) => create(host, each))));
    const seen = await counted(() => Promise.all(made[1].map((each) => read(host, each))));
    const gone = await counted(() => Promise.all(made[1].map((each) => remove(host, each))));
    expect([made[0], seen[0], gone[0]]).toEqual([1, 1, 1]);
    expect(seen[1]).toEqual(made[1]);
    expect(await archives("user199")).toHaveLength(1);
    expect(await lab_.exec("ls /var/lib/prosody/example%2etest/accounts | grep -c ^user || true")).toBe(
      "0\n",
    );
  }, 120_000);

  test("a virtual host that is no longer configured hides no account, and lets go of it", async () => {
    const state = await create(host, account("x", "p", { jid: "left@other.test" }));
    await configure("example.test");
    expect(await read(host, state)).toEqual(state);
    await expect(create(host, account("x", "p", { jid: "new@other.test" }))).rejects.toThrow(
      "other.test is not among Prosody's virtual hosts",
    );
    await remove(host, state);
    expect(await files("left")).toEqual([]);
    expect(await read(host, state)).toBeUndefined();
  }, 60_000);

  test("without an archive nothing is deleted", async () => {
    const state = await create(host, account("kept"));
    await lab_.exec(
      "cd /var/lib/prosody/example%2etest && install -d -o prosody -g prosody archive && head -c 100000 /dev/urandom | " +
        "install -m 0600 -o prosody -g prosody /dev/stdin archive/kept.list; install -d -m 0700 /var/backups/prosody-pulumi",
    );
    for (const disk of ["ro", "size=8k"]) {
      await lab_.exec(`mount -t tmpfs -o ${disk} none /var/backups/prosody-pulumi`);
      try {
        await expect(remove(host, state)).rejects.toThrow(
          "no archive could be written, so nothing was deleted",
        );
        expect(await lab_.exec("ls -A /var/backups/prosody-pulumi")).toBe("");
      } finally {
        await lab_.exec("umount /var/backups/prosody-pulumi");
      }
    }
    expect(await logIn("kept", "p")).toEqual(success("kept"));
    expect(await files("kept")).toContain("./example%2etest/archive/kept.list");
    await lab_.exec("rm /var/lib/prosody/example%2etest/archive/kept.list");
  }, 60_000);

  test("a virtual host that goes while its account is to be deleted is told, and the account stays", async () => {
    const state = await create(host, account("stays"));
    // It goes once the server has said where its data are.
    const vanish =
      'local storage = require "core.storagemanager" local get = storage.get_driver ' +
      "function storage.get_driver(...) local driver, name = get(...) storage.get_driver = get " +
      "prosody.gone, prosody.hosts[...] = prosody.hosts[...], nil return driver, name end";
    await lua(host, vanish, { doing: "test", changes: true });
    await expect(remove(host, state)).rejects.toThrow(
      "the server no longer has its virtual host, so nothing was deleted",
    );
    await lua(host, 'prosody.hosts["example.test"] = prosody.gone', { doing: "test", changes: true });
    expect(await logIn("stays", "p")).toEqual(success("stays"));
  }, 60_000);

  test("without a running server, everything works in the storage", async () => {
    await configure("example.test", "other.test");
    await lab_.exec("systemctl stop prosody");
    const mixed = ["one@example.test", "two@other.test", "three@example.test"];
    await Promise.all(mixed.map((jid) => create(host, account("x", "p", { jid }))));
    expect([await files("one"), await files("two"), await files("three")].flat()).toEqual(
      expect.arrayContaining([
        "./example%2etest/accounts/one.dat",
        "./other%2etest/accounts/two.dat",
        "./example%2etest/accounts/three.dat",
      ]),
    );
    const shell = adminShell(host, ["server:version()"], { doing: "asking" });
    await expect(shell.catch(isUnavailable)).resolves.toBe(true);
    const inputs = account("offline", "first", { policy: "enforced" });
    const made = await create(host, inputs);
    expect(await read(host, made)).toEqual(made);
    await update(host, made, { ...inputs, password: "second" });
    const other = await create(host, account("offline-too"));
    await remove(host, other);
    expect(await archives("offline-too")).toHaveLength(1);
    expect(await lab_.exec("find /var/lib/prosody ! -user prosody")).toBe("");
    await start();
    expect(await logIn("offline", "second")).toEqual(success("offline"));
    expect(await logIn("offline-too", "p")).toEqual(refused);
  }, 60_000);

  test("a configuration that Prosody can't read leaves the state as it was", async () => {
    const state = await create(host, account("unread"));
    await lab_.exec("echo 'this is no Lua' >> /etc/prosody/prosody.cfg.lua");
    expect(await host.fact({ ...accounts, name: "fresh" })).toEqual({
      known: false,
      reason: "Prosody can't read its configuration; `prosodyctl check config` says why",
    });
    expect(await read(host, { ...state, policy: "enforced" })).toEqual({ ...state, policy: "enforced" });
    await lab_.exec("systemctl stop prosody");
    await expect(remove(host, state)).rejects.toThrow("Prosody can't read its configuration");
    await configure("example.test");
    expect(await files("unread")).not.toEqual([]);
  }, 60_000);

  test.each([
    ["root", { user: "root", sudo: false }],
    ["sudo", { user: "admin", sudo: { password: new Secret(sudoPassword) } }],
  ] as [string, Partial<HostSettings>][])(
    "as %s, no password is in any process list, log or history",
    async (_way, way) => {
      const secret = `canary-${_way}-secret`;
      const watch =
        "for i in $(seq 400); do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; sleep .01; done | " +
        `tr '\\0' '\\n' | grep -c canary-${_way.replace("o", "[o]")} || true`;
      const other = await open(way);
      const seen = lab_.exec(watch);
      const inputs = account("watched", secret, { policy: "enforced" });
      const state = await create(other, inputs);
      await update(other, state, { ...inputs, password: `${secret}2` });
      await read(other, state);
      await lab_.exec("systemctl stop prosody");
      await update(other, state, { ...inputs, password: `${secret}3` });
      await start();
      expect(await logIn("watched", `${secret}3`)).toEqual(success("watched"));
      await remove(other, state);
      await other.close();
      expect(await seen).toBe("0\n");
      expect(
        await lab_.exec(
          `journalctl --no-pager -q | grep -c ${secret}; grep -rlF ${secret} /var/log /var/lib/prosody /root /home /tmp /run/prosody; true`,
        ),
      ).toBe("0\n");
    },
    90_000,
  );

  test("without Prosody the state stays as it was, and a deletion still archives and removes", async () => {
    const state = await create(host, account("orphan"));
    await lab_.exec(`systemctl stop prosody; ${distribution.remove("prosody")}`);
    expect(await read(host, { ...state, policy: "enforced" })).toEqual({ ...state, policy: "enforced" });
    await expect(create(host, account("new"))).rejects.toThrow("Prosody is not installed");
    await remove(host, state);
    expect(await files("orphan")).toEqual([]);
    expect(await archives("orphan")).toHaveLength(1);
    await remove(host, state);
  }, 60_000);
});

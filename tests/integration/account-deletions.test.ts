import { adminShell, isUnavailable, lua } from "../../providers/admin-shell";
import { accounts } from "../../providers/facts/accounts";
import { accountHandler } from "../../providers/handlers/account";
import type { SshHost } from "../../providers/ssh/host";
import { AccountHost, absent, account, refused, success } from "../helpers/account-host";
import { everywhere } from "../helpers/distribution";
import { connect } from "../helpers/xmpp";

const { create, read, update, delete: remove, diff } = accountHandler;

describe.each(everywhere)("deletions of accounts on %s", (_title, release) => {
  let prosody: AccountHost;
  let host: SshHost;

  beforeAll(async () => {
    prosody = await AccountHost.make("deletions", release);
    host = prosody.connection;
  }, 300_000);

  afterAll(async () => {
    await host?.close();
  });

  test("a deletion leaves an archive that only root reads and that brings everything back", async () => {
    const store = (name: string, value: string) =>
      `require"core.storagemanager".open("example.test", "${name}"):set("ü%b", ${value})`;
    const state = await create(host, account("ü%b", "kept"));
    const session = await connect(prosody.clients, { jid: state.jid, password: "kept" });
    for (const code of [
      store("roster", '{ ["x@y.test"] = { subscription = "both", groups = {} } }'),
      store("private", '{ a = "b" }'),
      'local s = require"util.stanza".message{ to = "ü%b@example.test" }:body("Hi"); ' +
        'require"core.storagemanager".open("example.test", "archive", "archive"):append("ü%b", nil, s, 1, "x@y.test")',
    ])
      await lua(host, code, { doing: "test", changes: true });
    const name = "%c3%bc%25b";
    const before = await prosody.files(name);
    expect(before).toEqual(
      expect.arrayContaining([
        `./example%2etest/accounts/${name}.dat`,
        `./example%2etest/archive/${name}.list`,
        `./example%2etest/private/${name}.dat`,
        `./example%2etest/roster/${name}.dat`,
      ]),
    );
    const content = `cd /var/lib/prosody && find . -name '${name}.*' | sort | xargs -d '\\n' sha256sum`;
    const sums = await prosody.host.exec(content);

    await remove(host, state);
    expect(await session.end()).not.toBe("alive");
    expect(await prosody.files(name)).toEqual([]);
    expect(await prosody.logIn("ü%b", "kept")).toEqual(refused);
    const [archive, ...others] = await prosody.archives("ü%b");
    expect(others).toEqual([]);
    expect(archive).toMatch(/^ü%b@example\.test-\d{8}T\d{6}\.\d{3}Z\.tar\.gz$/);
    expect(
      await prosody.host.exec(`cd /var/backups/prosody-pulumi && stat -c '%a %U:%G' . '${archive}'`),
    ).toBe("700 root:root\n600 root:root\n");

    await prosody.host.exec(
      `systemctl stop prosody && tar -xzpf '/var/backups/prosody-pulumi/${archive}' -C /var/lib/prosody`,
    );
    await prosody.start();
    expect(await prosody.host.exec(content)).toBe(sums);
    expect(await prosody.logIn("ü%b", "kept")).toEqual(success("ü%b"));
    expect(await read(host, state)).toEqual(state);
  }, 120_000);

  test("the archive of long names and much data is whole", async () => {
    const user = "ü".repeat(40);
    const name = "%c3%bc".repeat(40);
    const state = await create(host, account(user));
    await prosody.host.exec(
      "cd /var/lib/prosody/example%2etest && install -d -o prosody -g prosody archive && head -c 3000001 /dev/urandom | " +
        `install -m 0600 -o prosody -g prosody /dev/stdin archive/${name}.list`,
    );
    const look = `find . -name '${name}.*' -exec stat -c '%a %U:%G %s %Y %n' {} + -exec sha256sum {} + | sort`;
    const before = await prosody.host.exec(`cd /var/lib/prosody && ${look}`);
    expect(before).toContain(`600 prosody:prosody 3000001 `);
    await remove(host, state);
    expect(await prosody.files(name)).toEqual([]);
    expect(
      await prosody.host.exec(
        `rm -rf /root/restored && mkdir /root/restored && cd /root/restored && tar -xzpf /var/backups/prosody-pulumi/${user}@*.tar.gz && ${look}`,
      ),
    ).toBe(before);
  }, 60_000);

  test("an account that must not exist is found, archived and deleted", async () => {
    const [runs, none] = await prosody.counted(() => create(host, absent("mallory")));
    expect([runs, none]).toEqual([
      1,
      { server: "server", jid: "mallory@example.test", exists: false, policy: "initial" },
    ]);
    expect(await read(host, none)).toEqual(none);
    await prosody.byHand("printf 'x\\nx\\n' | prosodyctl adduser mallory@example.test");
    const there = (await read(host, none))!;
    expect(there.exists).toBe(true);
    expect(await diff!(there, absent("mallory"))).toEqual(["exists"]);
    expect(await update(host, there, absent("mallory"))).toEqual(none);
    expect(await prosody.logIn("mallory", "x")).toEqual(refused);
    expect(await prosody.archives("mallory")).toHaveLength(1);
    await remove(host, none); // touches nothing
    expect(await prosody.archives("mallory")).toHaveLength(1);
  }, 60_000);

  test("what is gone reads as gone, and its deletion succeeds without an archive", async () => {
    const state = await create(host, account("gone"));
    await prosody.byHand("prosodyctl deluser gone@example.test");
    expect(await read(host, state)).toBeUndefined();
    await remove(host, state);
    expect(await prosody.archives("gone")).toEqual([]);
  }, 60_000);

  test("a virtual host that is no longer configured hides no account, and lets go of it", async () => {
    const state = await create(host, account("x", "p", { jid: "left@other.test" }));
    await prosody.configure("example.test");
    expect(await read(host, state)).toEqual(state);
    await expect(create(host, account("x", "p", { jid: "new@other.test" }))).rejects.toThrow(
      "other.test is not among Prosody's virtual hosts",
    );
    await remove(host, state);
    expect(await prosody.files("left")).toEqual([]);
    expect(await read(host, state)).toBeUndefined();
  }, 60_000);

  test("an account of a domain that became a component is told, and the room of its name stays", async () => {
    await prosody.configure("example.test", "other.test");
    const state = await create(host, account("x", "p", { jid: "team@other.test" }));
    await prosody.configure("example.test");
    await prosody.host.exec(
      `echo 'Component "other.test" "muc"' >> /etc/prosody/prosody.cfg.lua; cd /var/lib/prosody/other%2etest; ` +
        "install -d -o prosody -g prosody config; echo 'return { _jid = \"team@other.test\" };' | " +
        "install -m 0600 -o prosody -g prosody /dev/stdin config/team.dat",
    );
    const files = ["./other%2etest/accounts/team.dat", "./other%2etest/config/team.dat"];
    for (const bring of [() => prosody.start(), () => prosody.host.exec("systemctl stop prosody")]) {
      await bring();
      await expect(remove(host, state)).rejects.toThrow(
        /^other\.test is a component now, .* stay in \/var\/lib\/prosody\/other%2etest .* accounts\/team\.dat/,
      );
      expect(await prosody.files("team")).toEqual(expect.arrayContaining(files));
    }
    expect(await prosody.host.exec("ls /var/backups/prosody-pulumi | grep team@ || true")).toBe("");
    expect(await read(host, state)).toEqual(state);
    await prosody.host.exec("rm /var/lib/prosody/other%2etest/accounts/team.dat");
    await prosody.start();
    await remove(host, state);
    expect(await prosody.files("team")).toContain("./other%2etest/config/team.dat");
    await prosody.configure("example.test", "other.test");
  }, 60_000);

  test("where another authentication took over, the password goes, and the data stay with who has the name", async () => {
    await prosody.configure("example.test", "other.test");
    const states = await Promise.all(
      ["one", "two"].map((name) => create(host, account("x", "p", { jid: `${name}@other.test` }))),
    );
    const elsewhere =
      'module:provides("auth", { user_exists = function() return true end, get_sasl_handler = function() ' +
      'return require"util.sasl".new(module.host, { plain_test = function() return true, true end }) end })';
    await prosody.host.exec(
      `mkdir -p /srv/modules; echo '${elsewhere}' >/srv/modules/mod_auth_elsewhere.lua
cd /etc/prosody; sed -i '1i plugin_paths = { "/srv/modules" }' prosody.cfg.lua; echo 'authentication = "elsewhere"' >>prosody.cfg.lua
cd /var/lib/prosody/other%2etest && install -d -o prosody -g prosody private && for name in one two; do
  echo 'return { };' | install -m 0600 -o prosody -g prosody /dev/stdin private/$name.dat
done`,
    );
    await prosody.start();
    await remove(host, states[0]!);
    await prosody.host.exec("systemctl stop prosody");
    await remove(host, states[1]!);
    for (const name of ["one", "two"]) {
      const left = await prosody.files(name);
      expect(left).toContain(`./other%2etest/private/${name}.dat`);
      expect(left).not.toContain(`./other%2etest/accounts/${name}.dat`);
      expect(await prosody.host.exec(`ls /var/backups/prosody-pulumi | grep -c ^${name}@`)).toBe("1\n");
    }
    expect(await read(host, states[0]!)).toBeUndefined();
    await prosody.configure("example.test", "other.test");
  }, 60_000);

  test("what a storage does not delete is told, and the account stays to be deleted", async () => {
    const state = await create(host, account("stuck"));
    await prosody.host.exec(
      "cd /var/lib/prosody/example%2etest && install -d -o prosody -g prosody private && echo 'return { };' | " +
        "install -m 0600 -o prosody -g prosody /dev/stdin private/stuck.dat; mount --bind private private; mount -o remount,bind,ro private",
    );
    try {
      for (const command of ["start", "stop"]) {
        await prosody.host.exec(`systemctl ${command} prosody`);
        await expect(remove(host, state)).rejects.toThrow(
          "not all data of stuck@example.test could be deleted (what there was is archived): ",
        );
        expect(await read(host, state)).toEqual(state);
      }
    } finally {
      await prosody.host.exec("umount /var/lib/prosody/example%2etest/private");
      await prosody.start();
    }
    expect(await prosody.logIn("stuck", "p")).toEqual(success("stuck"));
    await remove(host, state);
    expect(await prosody.files("stuck")).toEqual([]);
    expect(await read(host, state)).toBeUndefined();
  }, 60_000);

  test("without an archive nothing is deleted", async () => {
    const state = await create(host, account("kept"));
    await prosody.host.exec(
      "cd /var/lib/prosody/example%2etest && install -d -o prosody -g prosody archive && head -c 100000 /dev/urandom | " +
        "install -m 0600 -o prosody -g prosody /dev/stdin archive/kept.list; install -d -m 0700 /var/backups/prosody-pulumi",
    );
    for (const disk of ["ro", "size=8k"]) {
      await prosody.host.exec(`mount -t tmpfs -o ${disk} none /var/backups/prosody-pulumi`);
      try {
        await expect(remove(host, state)).rejects.toThrow(
          "no archive could be written, so nothing was deleted",
        );
        expect(await prosody.host.exec("ls -A /var/backups/prosody-pulumi")).toBe("");
      } finally {
        await prosody.host.exec("umount /var/backups/prosody-pulumi");
      }
    }
    expect(await prosody.logIn("kept", "p")).toEqual(success("kept"));
    expect(await prosody.files("kept")).toContain("./example%2etest/archive/kept.list");
    await prosody.host.exec("rm /var/lib/prosody/example%2etest/archive/kept.list");
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
    expect(await prosody.logIn("stays", "p")).toEqual(success("stays"));
  }, 60_000);

  test("no code that Prosody's user can write runs as root", async () => {
    const plant = async (file: string, then: string) =>
      prosody.host.exec(
        `runuser -u prosody -- sh -c 'cd /var/lib/prosody && mkdir -p custom_plugins && cat > ${file}' <<'EOF'\n` +
          `local planted = io.open("/root/planted", "w") if planted then planted:close() end\n${then}\nEOF`,
      );
    const state = await create(host, account("planted"));
    const inSource = (
      await prosody.host.exec("sed -n \"s/^CFG_SOURCEDIR='\\(.*\\)'.*/\\1/p\" $(command -v prosodyctl)")
    ).trim();
    await prosody.host.exec("systemctl stop prosody");
    await plant(
      "custom_plugins/mod_storage_internal.lua",
      `return assert(loadfile("${inSource}/modules/mod_storage_internal.lua", "t", _ENV))(...)`,
    );
    await plant(
      "lxp.lua",
      'return assert(package.loadlib(package.searchpath("lxp", package.cpath), "luaopen_lxp"))()',
    );
    try {
      await remove(host, state);
      expect(await prosody.host.exec("ls /root/planted 2>&1 || true")).toContain("No such file");
      expect(await prosody.archives("planted")).toHaveLength(1);
      expect(await prosody.files("planted")).toEqual([]);
    } finally {
      await prosody.host.exec(
        "rm -rf /root/planted /var/lib/prosody/custom_plugins /var/lib/prosody/lxp.lua",
      );
      await prosody.start();
    }
  }, 60_000);

  test("without a running server, everything works in the storage", async () => {
    await prosody.configure("example.test", "other.test");
    await prosody.host.exec("systemctl stop prosody");
    const mixed = ["one@example.test", "two@other.test", "three@example.test"];
    await Promise.all(mixed.map((jid) => create(host, account("x", "p", { jid }))));
    expect(
      [await prosody.files("one"), await prosody.files("two"), await prosody.files("three")].flat(),
    ).toEqual(
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
    expect(await prosody.archives("offline-too")).toHaveLength(1);
    expect(await prosody.host.exec("find /var/lib/prosody ! -user prosody")).toBe("");
    await prosody.start();
    expect(await prosody.logIn("offline", "second")).toEqual(success("offline"));
    expect(await prosody.logIn("offline-too", "p")).toEqual(refused);
  }, 60_000);

  test("a configuration that Prosody can't read leaves the state as it was", async () => {
    const state = await create(host, account("unread"));
    await prosody.host.exec("echo 'this is no Lua' >> /etc/prosody/prosody.cfg.lua");
    expect(await host.fact({ ...accounts, name: "fresh" })).toEqual({
      known: false,
      reason: "Prosody can't read its configuration; `prosodyctl check config` says why",
    });
    expect(await read(host, { ...state, policy: "enforced" })).toEqual({ ...state, policy: "enforced" });
    await prosody.host.exec("systemctl stop prosody");
    await expect(remove(host, state)).rejects.toThrow("Prosody can't read its configuration");
    await prosody.configure("example.test");
    expect(await prosody.files("unread")).not.toEqual([]);
  }, 60_000);

  test("without Prosody the state stays as it was, and a deletion still archives and removes", async () => {
    const state = await create(host, account("orphan"));
    await prosody.host.exec(`systemctl stop prosody; ${prosody.distribution.remove("prosody")}`);
    expect(await read(host, { ...state, policy: "enforced" })).toEqual({ ...state, policy: "enforced" });
    await expect(create(host, account("new"))).rejects.toThrow("Prosody is not installed");
    await remove(host, state);
    expect(await prosody.files("orphan")).toEqual([]);
    expect(await prosody.archives("orphan")).toHaveLength(1);
    await remove(host, state);
  }, 60_000);
});

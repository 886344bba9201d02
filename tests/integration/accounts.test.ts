import { Secret } from "../../config/secret";
import type { HostSettings } from "../../config/settings";
import type { AccountState } from "../../providers/account";
import { adminShell, lua } from "../../providers/admin-shell";
import { accountHandler } from "../../providers/handlers/account";
import type { SshHost } from "../../providers/ssh/host";
import { AccountHost, account, refused, stronger, success } from "../helpers/account-host";
import { everywhere } from "../helpers/distribution";
import { sudoPassword } from "../helpers/lab";
import { connect } from "../helpers/xmpp";

const { create, read, update, delete: remove, diff } = accountHandler;

describe.each(everywhere)("accounts on %s", (_title, release) => {
  let prosody: AccountHost;
  let host: SshHost;

  beforeAll(async () => {
    prosody = await AccountHost.make("accounts", release);
    host = prosody.connection;
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
    const [runs, states] = await prosody.counted(() =>
      Promise.all(wanted.map(([jid, password]) => create(host, account(jid, password)))),
    );
    expect(runs).toBe(1);
    const inputs = prosody.sent;
    for (const [index, [jid, password, prepared = password]] of wanted.entries()) {
      expect(await prosody.logIn(jid, prepared)).toEqual(success(jid));
      expect(await prosody.logIn(jid, `${password}.`)).toEqual(refused);
      expect(states[index]).toEqual(await read(host, { ...states[index]!, verifier: undefined }));
      expect(await diff!(states[index]!, account(jid, password, { policy: "enforced" }))).toEqual(["policy"]);
      // SASLprep has nothing to change in such a password, so that the server need not hash it.
      expect(inputs.includes(states[index]!.verifier!)).toBe(/^[ -~]+$/.test(password));
    }
  }, 120_000);

  test("a server that hashes otherwise does it by itself", async () => {
    await prosody.configure("example.test", "other.test", stronger);
    const wanted = account("x", "plain", { jid: `x@${stronger}`, hash: "SHA-256" });
    const state = await create(host, wanted);
    expect(state.verifier).toMatch(/^SCRAM-SHA-256\$10000:/);
    expect(await diff!(state, { ...wanted, policy: "enforced" })).toEqual(["policy"]);
    await remove(host, state);

    // As one that was made before the server hashed so.
    const store = (domain: string) => `require"core.storagemanager".open("${domain}", "accounts")`;
    const mayLogIn = `require"core.usermanager".test_password("old", "${stronger}", "plain") == true`;
    const inputs = account("old", "plain", { jid: `old@${stronger}`, hash: "SHA-256" });
    const other = await create(host, account("old", "plain"));
    await lua(host, `${store(stronger)}:set("old", ${store("example.test")}:get("old"))`, {
      doing: "test",
      changes: true,
    });
    const found = await create(host, inputs);
    expect(found.verifier).toBe(other.verifier);
    expect(await diff!(found, inputs)).toEqual([]);
    expect(await lua(host, mayLogIn, { doing: "test" })).toBe("false");
    const enforced = { ...inputs, policy: "enforced" as const };
    expect(await diff!(found, enforced)).toEqual(["policy", "password"]);
    const repaired = await update(host, found, enforced);
    expect(repaired.verifier).toMatch(/^SCRAM-SHA-256\$10000:/);
    expect(await diff!(repaired, enforced)).toEqual([]);
    expect(await lua(host, mayLogIn, { doing: "test" })).toBe("true");
    await remove(host, repaired);
    await remove(host, other);
    await prosody.configure("example.test", "other.test");
  }, 60_000);

  test("a new account has the role that Prosody gives to those its administrators make", async () => {
    if (prosody.distribution.prosody === "0.12") return; // 0.12 has no roles for accounts
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
    await prosody.byHand("printf 'theirs\\ntheirs\\n' | prosodyctl adduser adopted@example.test");
    const [runs, kept] = await prosody.counted(() => create(host, account("adopted", "ours")));
    expect(runs).toBe(1);
    expect(await prosody.logIn("adopted", "theirs")).toEqual(success("adopted"));
    expect(await diff!(kept, account("adopted", "ours"))).toEqual([]);

    const enforced = account("adopted", "ours", { policy: "enforced" });
    expect(await diff!(kept, enforced)).toEqual(["policy", "password"]);
    const state = await create(host, enforced);
    expect(await prosody.logIn("adopted", "ours")).toEqual(success("adopted"));
    expect(await create(host, enforced)).toEqual(state);
  }, 60_000);

  test("a password changed by hand is drift where it is enforced, and only then set again", async () => {
    const inputs = account("drifting", "ours", { policy: "enforced" });
    const made = await create(host, inputs);
    await prosody.byHand("printf 'theirs\\ntheirs\\n' | prosodyctl passwd drifting@example.test");
    const drifted = (await read(host, made))!;
    expect(await diff!(drifted, inputs)).toEqual(["password"]);
    expect(await diff!({ ...drifted, policy: "initial" }, { ...inputs, policy: "initial" })).toEqual([]);

    const repaired = await update(host, drifted, inputs);
    expect(await prosody.logIn("drifting", "ours")).toEqual(success("drifting"));
    expect(await prosody.logIn("drifting", "theirs")).toEqual(refused);
    expect(await diff!(repaired, inputs)).toEqual([]);

    const [runs, same] = await prosody.counted(() =>
      update(host, repaired, { ...inputs, policy: "initial" }),
    );
    expect([runs, same]).toEqual([0, { ...repaired, policy: "initial" }]);
  }, 60_000);

  test("a client stays connected through everything but a new password", async () => {
    const inputs = account("online", "first", { policy: "enforced" });
    const state = await create(host, inputs);
    const session = await connect(prosody.clients, { jid: inputs.jid, password: "first" });
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
    expect(await prosody.files("refused")).toEqual([]);
    expect(await prosody.logIn("beside", "fine")).toEqual(success("beside"));
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
    expect(await prosody.logIn("halfmade", "late")).toEqual(success("halfmade"));
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
    expect(await prosody.logIn("clear", "theirs")).toEqual(success("clear"));
  }, 60_000);

  test("200 accounts are made, read and deleted in few round trips", async () => {
    const many = Array.from({ length: 200 }, (_, index) => account(`user${index}`));
    const made = await prosody.counted(() => Promise.all(many.map((each) => create(host, each))));
    const seen = await prosody.counted(() => Promise.all(made[1].map((each) => read(host, each))));
    const gone = await prosody.counted(() => Promise.all(made[1].map((each) => remove(host, each))));
    expect([made[0], seen[0], gone[0]]).toEqual([1, 1, 1]);
    expect(seen[1]).toEqual(made[1]);
    expect(await prosody.archives("user199")).toHaveLength(1);
    expect(
      await prosody.host.exec("ls /var/lib/prosody/example%2etest/accounts | grep -c ^user || true"),
    ).toBe("0\n");
  }, 120_000);

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
      const other = await prosody.open(way);
      const seen = prosody.host.exec(watch);
      const inputs = account("watched", secret, { policy: "enforced" });
      const state = await create(other, inputs);
      await update(other, state, { ...inputs, password: `${secret}2` });
      await read(other, state);
      await prosody.host.exec("systemctl stop prosody");
      await update(other, state, { ...inputs, password: `${secret}3` });
      await prosody.start();
      expect(await prosody.logIn("watched", `${secret}3`)).toEqual(success("watched"));
      await remove(other, state);
      await other.close();
      expect(await seen).toBe("0\n");
      expect(
        await prosody.host.exec(
          `journalctl --no-pager -q | grep -c ${secret}; grep -rlF ${secret} /var/log /var/lib/prosody /root /home /tmp /run/prosody; true`,
        ),
      ).toBe("0\n");
    },
    90_000,
  );
});

import type { AccountInputs, AccountState } from "../../../providers/account";
import { removeFiles } from "../../../providers/account-changes";
import { accounts } from "../../../providers/facts/accounts";
import { accountHandler } from "../../../providers/handlers/account";
import { luaScript } from "../../../providers/lua";
import { matches, type Verifier, verifier } from "../../../providers/scram";
import { type Answer, FakeHost } from "../../helpers/fake-host";

const { create, read, update, delete: remove, diff, check } = accountHandler;
let ours: Verifier;
let theirs: Verifier;

/** As Prosody has it. */
function stored(known: Verifier) {
  const [, iterations, salt, storedKey, serverKey] = known.split(/[$:]/) as string[];
  const bytes = (base64?: string) => Buffer.from(base64!, "base64");
  return {
    salt: bytes(salt).toString(),
    iterations: Number(iterations),
    storedKey: bytes(storedKey).toString("hex"),
    serverKey: bytes(serverKey).toString("hex"),
  };
}
const wanted: AccountInputs = {
  server: "server",
  jid: "alice@example.test",
  exists: true,
  password: "ours",
  policy: "initial",
};
const enforced: AccountInputs = { ...wanted, policy: "enforced" };
const absent: AccountInputs = { ...wanted, exists: false, password: undefined };
const state = (more: Partial<AccountState> = {}): AccountState => ({
  server: "server",
  jid: "alice@example.test",
  exists: true,
  policy: "initial",
  verifier: ours,
  ...more,
});
const gone: AccountState = { server: "server", jid: "alice@example.test", exists: false, policy: "initial" };

beforeAll(async () => {
  [ours, theirs] = await Promise.all([verifier("ours"), verifier("theirs")]);
});

/** The operations that a script's input holds after program, sockets, timeout and library: deletions have four fields. */
function operations(input: string): string[][] {
  const fields: string[] = [];
  for (let rest = Buffer.from(input); rest.length > 0; ) {
    const end = rest.indexOf("\n");
    const size = Number(rest.toString("utf8", 0, end));
    fields.push(rest.toString("utf8", end + 1, end + 1 + size));
    rest = rest.subarray(end + 1 + size);
  }
  const found: string[][] = [];
  for (let rest = fields.slice(4); rest.length > 0; rest = rest.slice(found.at(-1)!.length))
    found.push(rest.slice(0, rest[0] === "delete" ? 4 : 5));
  return found;
}

/** A host that answers each change by a line made from its action. */
function changing(answer: (action: string, user: string) => object): FakeHost {
  return new FakeHost({
    answers: {
      [luaScript]: (input) =>
        operations(input)
          .map(([action, user]) => `${JSON.stringify(answer(action!, user!))}\n`)
          .join(""),
    },
  });
}

const done = (host: FakeHost) => host.ran.flatMap(({ input }) => operations(input).map(([action]) => action));

const listing = (answer: Answer) => new FakeHost({ answers: { [accounts.script]: answer } });

describe("diff", () => {
  test.each<[string, Partial<AccountState>, AccountInputs, string[]]>([
    ["nothing", {}, wanted, []],
    ["an account that must go", {}, absent, ["exists"]],
    ["an account that must come", { exists: false, verifier: undefined }, wanted, ["exists"]],
    ["no account, none wanted", { exists: false, verifier: undefined }, absent, []],
    ["another server", { server: "other" }, wanted, ["server"]],
    ["a policy", {}, enforced, ["policy"]],
    ["an account without a password", { verifier: undefined }, wanted, ["password"]],
  ])("%s", async (_what, found, inputs, expected) => {
    expect(await diff!(state(found), inputs)).toEqual(expected);
  });

  test("another password counts only where it is enforced", async () => {
    expect(await diff!(state({ verifier: theirs }), wanted)).toEqual([]);
    expect(await diff!(state({ verifier: theirs, policy: "enforced" }), enforced)).toEqual(["password"]);
    expect(await diff!(state({ verifier: theirs }), enforced)).toEqual(["policy", "password"]);
    expect(await diff!(state({ policy: "enforced" }), enforced)).toEqual([]);
  });

  test("so does the right password that is stored by another hash than the server's", async () => {
    const strong = { verifier: await verifier("ours", "sha256") };
    const [is, wantsStrong] = [{ policy: "enforced" as const }, { hash: "SHA-256" as const }];
    expect(await diff!(state(strong), { ...wanted, ...wantsStrong })).toEqual([]);
    expect(await diff!(state(), { ...wanted, ...wantsStrong })).toEqual([]);
    expect(await diff!(state({ ...is, ...strong }), { ...enforced, ...wantsStrong })).toEqual([]);
    expect(await diff!(state(is), { ...enforced, ...wantsStrong })).toEqual(["password"]);
    expect(await diff!(state({ ...is, ...strong }), enforced)).toEqual(["password"]);
  });
});

describe("check", () => {
  test("an account needs a password, the absence of one does not", () => {
    expect(check!(wanted)).toEqual([]);
    expect(check!(absent)).toEqual([]);
    expect(check!({ ...wanted, password: "" })).toEqual([
      {
        property: "password",
        reason: "alice@example.test is to exist, so it needs a password that is not empty.",
      },
    ]);
  });
});

describe("create", () => {
  test("makes or adopts in one round trip, without the password in the state", async () => {
    const host = changing(() => ({ account: stored(theirs) }));
    expect(await create(host, wanted)).toEqual(state({ verifier: theirs }));
    const [[action, user, domain, password, made]] = operations(host.ran[0]!.input) as [string[]];
    expect([action, user, domain, password]).toEqual(["set", "alice", "example.test", "ours"]);
    expect(await matches("ours", made!)).toBe(true);
    expect(host.scripts).toEqual([luaScript]);
    expect(host.changes).toEqual([luaScript]);
  });

  test("leaves a password to Prosody that SASLprep might change", async () => {
    const host = changing(() => ({ account: stored(theirs) }));
    await create(host, { ...wanted, password: "o\u00a0urs" });
    expect(operations(host.ran[0]!.input)).toEqual([["set", "alice", "example.test", "o\u00a0urs", ""]]);
  });

  test("sets an enforced password of an adopted account, and only on a mismatch", async () => {
    const host = changing((action) => ({ account: stored(action === "replace" ? ours : theirs) }));
    expect(await create(host, enforced)).toEqual(state({ policy: "enforced" }));
    expect(done(host)).toEqual(["set", "replace"]);
    const same = changing(() => ({ account: stored(ours) }));
    expect(await create(same, enforced)).toEqual(state({ policy: "enforced" }));
    expect(done(same)).toEqual(["set"]);
  });

  test("notes that an account was there", async () => {
    const found = changing((action) => ({
      account: stored(action === "replace" ? ours : theirs),
      found: true,
    }));
    const adopted = await create(found, enforced);
    expect(adopted).toEqual(state({ policy: "enforced", adopted: true }));
    expect(await update(found, adopted, wanted)).toEqual(state({ adopted: true }));
    expect(await update(found, { ...adopted, verifier: theirs }, enforced)).toEqual(adopted);
  });

  test("deletes what must not exist, with an archive", async () => {
    const host = changing(() => ({}));
    expect(await create(host, absent)).toEqual(gone);
    expect(operations(host.ran[0]!.input)).toEqual([
      [
        "delete",
        "alice",
        "example.test",
        expect.stringMatching(
          /^\/var\/backups\/prosody-pulumi\/alice@example\.test-\d{8}T\d{6}\.\d{3}Z\.tar\.gz$/,
        ),
      ],
    ]);
  });

  test("commits together what comes together, and fails alone what fails", async () => {
    const host = changing((_action, user) =>
      user === "bob" ? { error: "refused" } : { account: stored(ours) },
    );
    const results = await Promise.allSettled(
      ["alice", "bob", "carol"].map((user) => create(host, { ...wanted, jid: `${user}@example.test` })),
    );
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(results[1]).toEqual({ status: "rejected", reason: new Error("refused") });
    expect(host.ran).toHaveLength(1);
  });

  test("names what a storage may lack that does not take an account", async () => {
    const host = changing(() => ({ error: "Error saving to storage" }));
    await expect(create(host, wanted)).rejects.toThrow(
      /^Error saving to storage\. See whether the disk .* full/,
    );
  });

  test("needs Prosody", async () => {
    const host = new FakeHost({ answers: { [luaScript]: { code: 78 } } });
    await expect(create(host, wanted)).rejects.toThrow(
      "Prosody is not installed on the host, so it can have no account.",
    );
  });
});

describe("read", () => {
  const list = (...found: [jid: string, account: object][]) =>
    `${found.map(([jid, account]) => `${JSON.stringify({ jid, account })}\n`).join("")}{"complete":true}\n`;

  test("finds what is there", async () => {
    const host = listing(() => list(["bob@example.test", {}], ["alice@example.test", stored(theirs)]));
    expect(await read(host, state())).toEqual(state({ verifier: theirs }));
    expect(await read(host, gone)).toEqual(state({ verifier: theirs }));
    expect(await read(host, state({ jid: "bob@example.test" }))).toEqual(
      state({ jid: "bob@example.test", verifier: undefined }),
    );
  });

  test("of something gone is nothing, except where it must be gone", async () => {
    const host = listing(() => list(["bob@example.test", stored(ours)]));
    expect(await read(host, state())).toBeUndefined();
    expect(await read(host, gone)).toEqual(gone);
  });

  test("a thousand accounts are one round trip", async () => {
    const host = listing(() => list(["alice@example.test", stored(ours)]));
    await Promise.all(Array.from({ length: 1000 }, () => read(host, state())));
    expect(host.ran).toHaveLength(1);
  });

  test("leaves the state where the accounts can't be told", async () => {
    const host = listing('{"unreadable":"prosody.cfg.lua:3: syntax error"}\n');
    expect(await read(host, state())).toEqual(state());
    expect(await host.fact(accounts)).toEqual({ known: false, reason: "prosody.cfg.lua:3: syntax error" });
  });

  test("reads the files of a Prosody that is not installed any more", async () => {
    const { salt, iterations, storedKey, serverKey } = stored(theirs);
    const fields = { salt, iteration_count: iterations, stored_key: storedKey, server_key: serverKey };
    const lines = Object.entries(fields).map(
      ([name, value]) => `\t["${name}"] = ${JSON.stringify(value)};\n`,
    );
    const file = (content: string) => Buffer.from(`return {\n${content}};\n`).toString("base64");
    const host = listing(
      `stored example%2etest/accounts/alice.dat ${file(lines.join(""))}\n` +
        `stored example%2etest/accounts/caf%c3%a9%2eone.dat ${file("")}\n{"complete":true}\n`,
    );
    expect(await host.fact(accounts)).toEqual({
      known: true,
      verifiers: new Map([
        ["alice@example.test", theirs],
        ["café.one@example.test", undefined],
      ]),
    });
  });

  test("knows a domain beyond ASCII by its A-labels", async () => {
    const host = listing(list(["alice@bücher.test", stored(theirs)]));
    const jid = "alice@xn--bcher-kva.test";
    expect(await read(host, state({ jid }))).toEqual(state({ jid, verifier: theirs }));
  });

  test("takes a list that ends early for an error, not for missing accounts", async () => {
    await expect(read(listing(""), state())).rejects.toThrow("the list of accounts ends early");
  });
});

test("what is left out stands for an account that is to exist, with the policy initial", async () => {
  const { exists: _, policy: __, ...inputs } = wanted;
  const made = await create(
    changing(() => ({ account: stored(theirs) })),
    inputs,
  );
  expect(made).toEqual({ server: "server", jid: "alice@example.test", verifier: theirs });
  expect(check!({ ...inputs, password: "" })).toHaveLength(1);
  expect(await diff!(made, inputs)).toEqual([]);
  expect(await diff!(made, wanted)).toEqual([]);
  expect(await diff!(made, { ...inputs, policy: "enforced" })).toEqual(["policy", "password"]);
  expect(await diff!(made, absent)).toEqual(["exists"]);
  const list = (jid: string) => `${JSON.stringify({ jid, account: stored(ours) })}\n{"complete":true}\n`;
  expect(await read(listing(list("alice@example.test")), made)).toEqual({ ...made, verifier: ours });
  expect(await read(listing(list("bob@example.test")), made)).toBeUndefined();
  const host = changing(() => ({}));
  expect(await update(host, made, absent)).toEqual(gone);
  await remove(host, made);
  expect(done(host)).toEqual(["delete", "delete"]);
});

describe("update", () => {
  test("sets the password only on a mismatch", async () => {
    const host = changing(() => ({ account: stored(ours) }));
    expect(await update(host, state({ verifier: theirs }), enforced)).toEqual(state({ policy: "enforced" }));
    expect(operations(host.ran[0]!.input)).toEqual([["replace", "alice", "example.test", "ours", ""]]);
  });

  test("a policy alone is nothing on the host", async () => {
    const host = new FakeHost();
    expect(await update(host, state(), enforced)).toEqual(state({ policy: "enforced" }));
    expect(await update(host, state({ verifier: theirs, policy: "enforced" }), wanted)).toEqual(
      state({ verifier: theirs }),
    );
    expect(await update(host, gone, { ...absent, policy: "enforced" })).toEqual({
      ...gone,
      policy: "enforced",
    });
    expect(host.ran).toEqual([]);
  });

  test("makes and deletes", async () => {
    const host = changing((action) => (action === "delete" ? {} : { account: stored(ours) }));
    expect(await update(host, gone, wanted)).toEqual(state());
    expect(await update(host, state(), absent)).toEqual(gone);
    expect(done(host)).toEqual(["set", "delete"]);
  });
});

describe("delete", () => {
  test("of what must not exist is nothing", async () => {
    const host = new FakeHost();
    await remove(host, gone);
    expect(host.ran).toEqual([]);
  });

  test("of what was there before the stack is for the stack config, not for a destroy", async () => {
    const host = changing(() => ({}));
    await remove(host, state({ adopted: true }), true);
    expect(host.ran).toEqual([]);
    await remove(host, state({ adopted: true }), false);
    await remove(host, state(), true);
    expect(done(host)).toEqual(["delete", "delete"]);
  });

  test("without Prosody removes the files", async () => {
    const host = new FakeHost({
      answers: { [luaScript]: { code: 78 }, "/\\ncd \\/var\\/lib\\/prosody/": "" },
    });
    await remove(host, state());
    expect(host.scripts[1]).toContain("example%2etest'/*/alice.dat");
  });

  test("names files as Prosody does", () => {
    const script = removeFiles("ü%.+@example.test", "/backup.tar.gz");
    expect(script).toContain("'example%2etest'/*/'%c3%bc%25%2e%2b'.lidx");
    expect(script).toContain("pack /backup.tar.gz -- ");
  });
});

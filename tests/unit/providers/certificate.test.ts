import { createHash } from "node:crypto";
import type { CertificateInputs, CertificateState } from "../../../providers/certificate";
import { certificateHandler } from "../../../providers/handlers/certificate";
import { reloadBySignal } from "../../../providers/load-certificates";
import { luaScript } from "../../../providers/lua";
import { writeFilesScript } from "../../../providers/ssh/files";
import { FakeHost, type FakeHostOptions } from "../../helpers/fake-host";

const certs = "/etc/prosody/certs";
const mark = "/run/prosody-pulumi-certificates-not-live";
const mine = { mode: "0640", owner: "root", group: "prosody" };
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const wanted = (domain = "example.com"): CertificateInputs => ({
  server: "xmpp",
  domain,
  chain: `chain of ${domain}\n`,
  key: `key of ${domain}\n`,
  mode: "0640",
  owner: "root:prosody",
  live: true,
});
const state = (domain = "example.com", rest: Partial<CertificateState> = {}): CertificateState => ({
  ...wanted(domain),
  expires: "",
  written: { chain: sha256(wanted(domain).chain), key: sha256(wanted(domain).key) },
  ...rest,
});
const pair = (domain = "example.com", chain = wanted(domain).chain, key = wanted(domain).key) => ({
  [`${certs}/${domain}.crt`]: { content: chain, ...mine },
  [`${certs}/${domain}.key`]: { content: key, ...mine },
});

/** A host whose Prosody answers on its admin socket, unless told otherwise. */
function hostWith(files: FakeHostOptions["files"], running = true): FakeHost {
  return new FakeHost({
    files,
    answers: {
      [luaScript]: running ? '[true,"Config reloaded"]\n' : { code: 69, stderr: "no socket\n" },
      "install -d -m 0700 /var/backups/prosody-pulumi": "",
      [reloadBySignal]: "",
    },
  });
}

/** The reloads and writes that were done, in their order. */
function done(host: FakeHost): string[] {
  const names = new Map([
    [writeFilesScript, "write"],
    [luaScript, "config:reload()"],
    [reloadBySignal, "reload by signal"],
  ]);
  return host.changes.flatMap((script) => names.get(script) ?? []);
}

beforeEach(() => {
  jest.useFakeTimers({ now: new Date("2026-11-22T12:34:56Z"), doNotFake: ["nextTick", "queueMicrotask"] });
});
afterEach(() => {
  jest.useRealTimers();
});

describe("create", () => {
  test("writes both files and has the server load them", async () => {
    const host = hostWith({});
    expect(await certificateHandler.create(host, wanted())).toEqual(state());
    expect(Object.fromEntries(host.files)).toEqual(pair());
    expect(done(host)).toEqual(["write", "config:reload()"]);
  });

  test("ten certificates are one write and one reload", async () => {
    const host = hostWith({});
    const domains = Array.from({ length: 10 }, (_, index) => `d${index}.example`);
    const states = await Promise.all(
      domains.map((domain) => certificateHandler.create(host, wanted(domain))),
    );
    expect(states).toEqual(domains.map((domain) => state(domain)));
    expect(host.files.size).toBe(20);
    expect(done(host)).toEqual(["write", "config:reload()"]);
  });

  test("adopts files that are as wanted without touching anything", async () => {
    const host = hostWith(pair());
    expect(await certificateHandler.create(host, wanted())).toEqual(state());
    expect(host.changes).toEqual([]);
  });

  test("keeps a copy for root of what somebody else put there", async () => {
    const host = hostWith(pair("example.com", "their chain", "their key"));
    await certificateHandler.create(host, wanted());
    const copy = { mode: "0600", owner: "root", group: "root" };
    expect(Object.fromEntries(host.files)).toEqual({
      ...pair(),
      "/var/backups/prosody-pulumi/example.com.crt-20261122T123456Z": { content: "their chain", ...copy },
      "/var/backups/prosody-pulumi/example.com.key-20261122T123456Z": { content: "their key", ...copy },
    });
  });

  test("keeps no copy of what only had another mode", async () => {
    const host = hostWith(pair());
    host.files.get(`${certs}/example.com.key`)!.mode = "0600";
    await certificateHandler.create(host, wanted());
    expect(Object.fromEntries(host.files)).toEqual(pair());
  });

  test("the key is in no script", async () => {
    const host = hostWith(pair("example.com", "their chain", "their key"));
    await certificateHandler.create(host, wanted());
    expect(host.scripts.join("\n")).not.toMatch(/key of|their key|a2V5IG9m/);
    expect(host.ran.map(({ doing }) => doing).join("\n")).not.toMatch(/key of|their key/);
  });

  test("without an admin socket the server gets a signal", async () => {
    const host = hostWith({}, false);
    await certificateHandler.create(host, wanted());
    expect(done(host)).toEqual(["write", "config:reload()", "reload by signal"]);
    expect(host.files.has(mark)).toBe(false);
  });
});

describe("a server that can't load them", () => {
  test.each([
    ["by its socket", true],
    ["by a signal", false],
  ])(
    "is no failure %s: it is told with Prosody's reason, shows, and is tried again",
    async (_how, running) => {
      const said = jest.spyOn(process.stderr, "write").mockReturnValue(true);
      const reason = `prosody.cfg.lua:3: syntax error, ${running}`;
      const host = hostWith({}, running);
      if (running) host.answers.set(luaScript, `[false,"${reason}"]\n`);
      else host.answers.set(reloadBySignal, { code: 3, stderr: `${reason}\n` });
      expect(await certificateHandler.create(host, wanted())).toEqual(state());
      expect(said.mock.calls.join()).toContain(
        `xmpp.example.com: the certificates are in place, but Prosody has not loaded them: ${reason}\n`,
      );
      said.mockRestore();
      expect(await certificateHandler.read(host, state())).toEqual(state("example.com", { live: false }));

      host.answers.set(luaScript, '[true,"Config reloaded"]\n');
      expect(await certificateHandler.create(host, wanted())).toEqual(state());
      expect(done(host).filter((step) => step === "write")).toHaveLength(1);
      expect(await certificateHandler.read(host, state())).toEqual(state());
    },
  );

  test("that hangs is a failure", async () => {
    const host = hostWith({}, false);
    host.answers.set(reloadBySignal, { code: 1, stderr: "process 7 does not take a reload" });
    await expect(certificateHandler.create(host, wanted())).rejects.toThrow(
      "process 7 does not take a reload",
    );
    expect(host.files.has(mark)).toBe(true);
  });
});

describe("read", () => {
  test("certificates share a remote command with whatever else is read", async () => {
    const host = hostWith({ ...pair("a.example"), ...pair("b.example"), ...pair("c.example") });
    const states = ["a.example", "b.example", "c.example"].map((domain) => state(domain));
    expect(await Promise.all(states.map((each) => certificateHandler.read(host, each)))).toEqual(states);
    expect(host.ran.map(({ together }) => together)).toEqual([true, true, true]);
  });

  test.each([
    ["a replaced certificate", { ".crt": { content: "x" } }, { chain: "x" }],
    ["a replaced key", { ".key": { content: "y" } }, { key: "y" }],
    ["a changed mode of the key", { ".key": { mode: "0644" } }, { mode: "0640, key 0644" }],
    ["a changed mode of both", { ".crt": { mode: "0600" }, ".key": { mode: "0600" } }, { mode: "0600" }],
    ["a changed owner", { ".crt": { group: "root" } }, { owner: "root:root, key root:prosody" }],
    ["a missing certificate", { ".crt": undefined }, { chain: "" }],
    ["a missing key", { ".key": undefined }, { key: "" }],
  ] as [string, Record<string, object | undefined>, Partial<CertificateState>][])(
    "%s",
    async (_what, changes, found) => {
      const host = hostWith(pair());
      for (const [suffix, change] of Object.entries(changes)) {
        const path = `${certs}/example.com${suffix}`;
        if (change) host.files.set(path, { ...host.files.get(path)!, ...change });
        else host.files.delete(path);
      }
      expect(await certificateHandler.read(host, state())).toEqual(state("example.com", found));
      await certificateHandler.update(host, state("example.com", found), wanted());
      expect(await certificateHandler.read(host, state())).toEqual(state());
    },
  );

  test("gone when both files are", async () => {
    expect(await certificateHandler.read(hostWith({}), state())).toBeUndefined();
  });
});

describe("update", () => {
  test("a renewal keeps no copy of what the stack wrote itself", async () => {
    const host = hostWith(pair());
    const renewed = { ...wanted(), chain: "new chain", key: "new key" };
    expect(await certificateHandler.update(host, state(), renewed)).toMatchObject({
      chain: "new chain",
      written: { chain: sha256("new chain"), key: sha256("new key") },
    });
    expect(Object.fromEntries(host.files)).toEqual(pair("example.com", "new chain", "new key"));
  });

  test("drift is somebody's own and kept, although a refresh has put it into the state", async () => {
    const host = hostWith(pair("example.com", wanted().chain, "their key"));
    await certificateHandler.update(host, state("example.com", { key: "their key" }), wanted());
    expect([...host.files.keys()].filter((path) => path.includes("backups"))).toEqual([
      "/var/backups/prosody-pulumi/example.com.key-20261122T123456Z",
    ]);
  });
});

describe("delete", () => {
  test("keeps copies and removes both files", async () => {
    const host = hostWith(pair());
    await certificateHandler.delete(host, state());
    expect([...host.files.keys()].sort()).toEqual([
      "/var/backups/prosody-pulumi/example.com.crt-20261122T123456Z",
      "/var/backups/prosody-pulumi/example.com.key-20261122T123456Z",
    ]);
    expect(done(host)).toEqual(["write"]); // the copies; a server that still has the domain keeps its TLS
  });

  test("succeeds when they are gone", async () => {
    const host = hostWith({});
    await certificateHandler.delete(host, state());
    expect(host.files.size).toBe(0);
  });
});

describe("check", () => {
  const problems = (changes: Partial<CertificateInputs>) =>
    certificateHandler.check!({ ...wanted(), ...changes }).map(
      ({ property, reason }) => `${property}: ${reason}`,
    );

  test.each([
    ["a way out of the directory", { domain: "../../etc/shadow" }, 'domain: "../../etc/shadow" is no domain'],
    ["a mode that is no four digits", { mode: "640" }, 'mode: "640" is no mode of four octal digits'],
    ["an owner without a group", { owner: "root" }, 'owner: "root" is no USER:GROUP'],
    ["a chain that is none", { chain: "MIIB" }, "chain: this is no PEM"],
    ["a key that is none", { key: "MIIB" }, "key: this is no PEM"],
  ])("refuses %s", (_what, changes, problem) => {
    expect(problems(changes)).toContainEqual(expect.stringContaining(problem));
  });

  test("never shows the key", () => {
    expect(
      problems({ key: "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n" }).join(),
    ).toMatch(/key: the key is damaged(?!.*hunter2)/);
  });
});

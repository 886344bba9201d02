import { createHash } from "node:crypto";
import { coturn } from "../../../providers/facts/coturn";
import { restartScript, turnServerHandler } from "../../../providers/handlers/turn-server";
import type { TurnServerInputs } from "../../../providers/turn-server";
import { withHostLines } from "../../../providers/turn-text";
import { FakeHost } from "../../helpers/fake-host";
import { certified } from "../../helpers/x509";

const config = "/etc/turnserver.conf";
const secret = "a-secret-of-enough-length";
const addresses = ["10.0.0.5", "2001:db8::5"];
const lines = (more = "") => `config ${config}
group turnserver
address 10.0.0.5
address 2001:db8::5
udp UNCONN 0 0 0.0.0.0:3478 0.0.0.0:* users:(("turnserver",pid=7,fd=1))
${more}`;
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const own = certified({ subject: "example.test", names: ["turn.example.test"] });
const renewed = certified({ subject: "example.test", names: ["turn.example.test"] });
const inputs: TurnServerInputs = {
  server: "prosody",
  config: "# Kept by prosody-pulumi\ncert=/etc/turnserver/tls.crt\n",
  secret,
  domain: "example.test",
  certificate: sha256(own.certificate),
  ports: [3478, 5349],
  live: true,
};
const file = (content: string) => ({ content, mode: "0640", group: "turnserver" });
const source = {
  "/etc/prosody/certs/example.test.crt": { content: own.certificate },
  "/etc/prosody/certs/example.test.key": { content: own.key },
};
const there = {
  ...source,
  [config]: file(withHostLines(inputs.config, secret, addresses)),
  "/etc/turnserver/tls.crt": file(own.certificate),
  "/etc/turnserver/tls.key": file(own.key),
};
const mark = "/run/prosody-pulumi-turn-not-live";

function hostWith(files: ConstructorParameters<typeof FakeHost>[0] & object) {
  return new FakeHost({
    answers: {
      [coturn.script]: lines(),
      [restartScript]: "",
      "/\\.original/": "",
      "/USR2/": "",
      "/reset-failed/": "",
    },
    ...files,
  });
}

const restarts = (host: FakeHost) => host.scripts.filter((script) => script === restartScript).length;
const reloads = (host: FakeHost) => host.scripts.filter((script) => script.includes("USR2")).length;

test("a secret that its failed resource could not give is no reason to complain, a short one is", () => {
  const { secret: _, ...without } = inputs;
  expect(turnServerHandler.check!(without as TurnServerInputs)).toEqual([]);
  expect(turnServerHandler.check!({ ...inputs, secret: "short" })).toEqual([
    { property: "secret", reason: "it has at least 16 letters, digits, - and _." },
  ]);
});

const state = { ...inputs, addresses };
const without = { ...inputs, config: "# Kept by prosody-pulumi\nno-tls\n", domain: "", certificate: "" };

test("what matches is adopted without a change", async () => {
  const host = hostWith({ files: there });
  expect(await turnServerHandler.create(host, inputs)).toEqual(state);
  expect(host.changes).toEqual([]);
  expect(await turnServerHandler.read(host, state)).toEqual(state);
});

test("a new one keeps the distribution's configuration, writes everything and is restarted once", async () => {
  const host = hostWith({ files: { ...source, [config]: { content: "# distribution\n" } } });
  expect(await turnServerHandler.create(host, inputs)).toEqual(state);
  expect(host.scripts.filter((script) => script.includes("cp -a"))).toHaveLength(1);
  for (const [path, wanted] of Object.entries(there)) expect(host.files.get(path)).toMatchObject(wanted);
  expect([restarts(host), reloads(host), host.files.has(mark)]).toEqual([1, 0, false]);
});

test("a new certificate alone is loaded without a restart", async () => {
  const source = {
    "/etc/prosody/certs/example.test.crt": { content: renewed.certificate },
    "/etc/prosody/certs/example.test.key": { content: renewed.key },
  };
  const host = hostWith({ files: { ...there, ...source } });
  await turnServerHandler.update(host, state, { ...inputs, certificate: sha256(renewed.certificate) });
  expect([restarts(host), reloads(host)]).toEqual([0, 1]);
  expect(host.files.get("/etc/turnserver/tls.key")!.content).toBe(renewed.key);
  expect((await turnServerHandler.read(host, state))!.certificate).toBe(sha256(renewed.certificate));
});

test("drift of each part is read under its name", async () => {
  const read = async (files: Record<string, object>) => {
    const found = await turnServerHandler.read(hostWith({ files: { ...there, ...files } }), state);
    return Object.entries(found!)
      .filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(state[name as keyof typeof state]))
      .map(([name]) => name);
  };
  expect(await read({})).toEqual([]);
  expect(await read({ [config]: { content: "x" } })).toEqual(["config", "secret"]);
  expect(await read({ "/etc/turnserver/tls.key": file(renewed.key) })).toEqual(["certificate"]);
  expect(await read({ "/etc/turnserver/tls.key": { ...file(own.key), mode: "0644" } })).toEqual([
    "certificate",
  ]);
  expect(await read({ [mark]: {} })).toEqual(["live"]);
  expect(await turnServerHandler.read(hostWith({ files: source }), state)).toBeUndefined();
});

test("a change that was cut off is made live", async () => {
  const host = hostWith({ files: { ...there, [mark]: {} } });
  await turnServerHandler.update(host, state, inputs);
  expect([restarts(host), host.files.has(mark)]).toEqual([1, false]);
});

test("a port that another program has is refused before anything changes", async () => {
  const host = hostWith({ files: source });
  host.answers.set(
    coturn.script,
    lines('tcp LISTEN 0 511 *:5349 *:* users:(("beam.smp",pid=1,fd=3))\n/proc/1/cgroup:ejabberd.service\n'),
  );
  await expect(turnServerHandler.create(host, inputs)).rejects.toThrow(
    "coturn's port 5349/tcp is taken by beam.smp (ejabberd.service); nothing was changed. Stop that, or choose another port (prosody:ports.turn, prosody:ports.turnTls).",
  );
  expect(host.changes).toEqual([]);
});

test("a configuration that does not run is taken back, with the journal's reason", async () => {
  const host = hostWith({ files: there });
  host.answers.set(restartScript, { code: 1, stdout: "it does not listen on port 3478\n" });
  await expect(turnServerHandler.update(host, state, { ...inputs, config: "bad\n" })).rejects.toThrow(
    "coturn does not run with the new configuration, so the previous one is back. The end of its journal:\n  it does not listen on port 3478",
  );
  expect(host.files.get(config)!.content).toBe(there[config]!.content);
});

test("no copy of the key is left where the first configuration with TLS does not run", async () => {
  const text = file(withHostLines(without.config, secret, addresses));
  const host = hostWith({ files: { ...source, [config]: text } });
  host.answers.set(restartScript, { code: 1, stdout: "" });
  const update = () => turnServerHandler.update(host, { ...without, addresses }, inputs);
  await expect(update()).rejects.toThrow("the previous one is back");
  expect([...host.files.keys()].sort()).toEqual([...Object.keys(source), mark, config].sort());
  host.answers.set(restartScript, "");
  expect(await update()).toEqual(state);
  expect(host.files.get("/etc/turnserver/tls.key")).toMatchObject(there["/etc/turnserver/tls.key"]);
});

describe("a certificate that somebody has in the place of the copies", () => {
  const theirs = {
    "/etc/turnserver/tls.crt": { content: "their chain", mode: "0644" },
    "/etc/turnserver/tls.key": { content: "their key", mode: "0600" },
  };
  const kept = (host: FakeHost) =>
    host.scripts.join("\n").match(/(?<=cp -a )\S+(?= \/var\/backups\/prosody-pulumi\/turnserver)/g) ?? [];
  const putBack = (host: FakeHost) =>
    host.scripts.filter((script) => script.includes("rm -f /etc/turnserver/tls")).length;

  test("is kept, with the configuration", async () => {
    const host = hostWith({
      files: { ...source, ...theirs, [config]: { content: "cert=/etc/turnserver/tls.crt\n" } },
    });
    await turnServerHandler.create(host, inputs);
    expect(kept(host)).toEqual([config, ...Object.keys(theirs)]);
    expect(host.files.get("/etc/turnserver/tls.key")!.content).toBe(own.key);
  });

  test("is kept where the stack had no TLS", async () => {
    for (const [text, expected] of [
      [without.config, Object.keys(theirs)],
      [inputs.config, []],
    ] as const) {
      const host = hostWith({
        files: { ...source, ...theirs, [config]: file(withHostLines(text, secret, addresses)) },
      });
      await turnServerHandler.update(host, state, inputs);
      expect(kept(host)).toEqual(expected);
    }
  });

  test("stays where it is without TLS, at the take-over and at a destroy", async () => {
    const host = hostWith({ files: { ...theirs, [config]: { content: "# theirs\n" } } });
    await turnServerHandler.create(host, without);
    await turnServerHandler.delete(host, { ...without, addresses });
    expect([kept(host), putBack(host)]).toEqual([[config], 0]);
  });

  test("is in force again where the configuration does not run", async () => {
    const before = { content: "cert=/etc/turnserver/tls.crt\n", mode: "0640", group: "turnserver" };
    const host = hostWith({ files: { ...source, ...theirs, [config]: before } });
    host.answers.set(restartScript, { code: 1, stdout: "" });
    await expect(turnServerHandler.create(host, inputs)).rejects.toThrow("the previous one is back");
    for (const [path, was] of Object.entries({ ...theirs, [config]: before }))
      expect(host.files.get(path)).toMatchObject(was);
  });
});

test("copies go once coturn runs without them", async () => {
  const host = hostWith({ files: there });
  await turnServerHandler.update(host, state, without);
  const [restarted, removed] = [restartScript, "rm -f /etc/turnserver/tls.crt"].map((script) =>
    host.scripts.findIndex((each) => each.includes(script)),
  );
  expect(restarted).toBeGreaterThan(-1);
  expect(removed).toBeGreaterThan(restarted!);
});

test("copies go where a run without them was cut off before it came to that, and are no longer there twice", async () => {
  const text = file(withHostLines(without.config, secret, addresses));
  const removals = async (files: typeof there) => {
    const host = hostWith({ files: { ...files, [config]: text, [mark]: {} } });
    await turnServerHandler.update(host, state, without);
    return host.scripts.filter((each) => each.includes("rm -f /etc/turnserver/tls.crt")).length;
  };
  expect(await removals(there)).toBe(1);
  const theirs = { content: "theirs", mode: "0640", group: "turnserver" };
  const back = { ...there, "/etc/turnserver/tls.crt": theirs, "/etc/turnserver/tls.key": theirs };
  expect(await removals(back as typeof there)).toBe(0);
});

test("without a certificate on the host there is no TLS to offer", async () => {
  await expect(turnServerHandler.create(hostWith({}), inputs)).rejects.toThrow(
    "there is no certificate of example.test in /etc/prosody/certs for TURN over TLS.",
  );
});

test("without coturn it says what to do", async () => {
  const host = hostWith({});
  host.answers.set(coturn.script, `config ${config}\n`);
  await expect(turnServerHandler.create(host, inputs)).rejects.toThrow("coturn is not installed.");
});

test("a delete takes no file away but its own", async () => {
  const host = hostWith({ files: there });
  await turnServerHandler.delete(host, state);
  const [script] = host.changes;
  expect(script).toContain("rm -f /etc/turnserver/tls.crt /etc/turnserver/tls.key\n");
  expect(script).not.toContain("rm -rf");
});

test("the secret goes to the host on standard input alone", async () => {
  const host = hostWith({ files: source });
  await turnServerHandler.create(host, inputs);
  expect(host.scripts.join("\n")).not.toContain(secret);
  expect(turnServerHandler.check!({ ...inputs, secret: "a\nb" })).toEqual([
    { property: "secret", reason: "it has at least 16 letters, digits, - and _." },
  ]);
});

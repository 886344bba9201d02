import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { given } from "../../../../tools/init/answers";
import { environment, hostKey } from "../../../fixtures/bad-configs/base";

const directory = mkdtempSync(path.join(tmpdir(), "prosody-init-"));
afterAll(() => rmSync(directory, { recursive: true }));

const script = { ...environment, here: "/project", onTerminal: false };
const terminal = { ...script, onTerminal: true };
const noInput = () => {
  throw new Error("standard input was read");
};

const variables = ["PROSODY_INIT_PASSWORD", "PROSODY_INIT_SUDO_PASSWORD", "PROSODY_INIT_PASSPHRASE"];
beforeEach(() => {
  for (const name of variables) delete process.env[name];
});

const flags = {
  address: "xmpp.example.com",
  "private-key-file": "~/.ssh/id_ed25519",
  "accept-host-key": true,
  domain: "example.com",
  jid: "alice@example.com",
  email: "hostmaster@example.com",
};

/** Secrets in clear, for a comparison. */
const plain = (answers: object) =>
  Object.fromEntries(
    Object.entries(answers).map(([key, value]) => [key, typeof value === "string" ? value : value.reveal()]),
  );

test("a script gets usual answers, and has to give the others", () => {
  process.env.PROSODY_INIT_PASSWORD = "hunter2";
  const { answers, acceptance, problems } = given(flags, script, noInput);
  expect({ problems, acceptance, answers: plain(answers) }).toEqual({
    problems: [],
    acceptance: "accept",
    answers: {
      stack: "prod",
      address: "xmpp.example.com",
      user: "root",
      privateKeyFile: "~/.ssh/id_ed25519",
      domain: "example.com",
      jid: "alice@example.com",
      password: "hunter2",
      certificate: "acme",
      email: "hostmaster@example.com",
    },
  });
});

test("all that is missing is told at once, with what is wrong; a certificate's kind decides about its flags", () => {
  expect(given({}, script, noInput).problems).toEqual([
    "Nobody is at a terminal to be asked, and these are missing: --address; --domain; --jid; --password-file (or PROSODY_INIT_PASSWORD); --email; --host-key, --host-key-fingerprint or --accept-host-key.",
  ]);
  const more = {
    "private-key-file": "~/.ssh/encrypted",
    certificate: "files",
    domain: "a b",
    "host-key": "abc",
  };
  expect(given(more, script, noInput).problems).toEqual([
    "--host-key: this is no public key; give one such as ssh-ed25519 AAAAC3Nz…, as ssh-keyscan HOST shows it.",
    '--domain: prosody:domains["a b"]: a domain has no spaces.',
    "Nobody is at a terminal to be asked, and these are missing: --address; --passphrase-file (or PROSODY_INIT_PASSPHRASE); --jid; --password-file (or PROSODY_INIT_PASSWORD); --certificate-file; --key-file.",
  ]);
});

test("on a terminal nothing is missing, and nothing taken as usual", () => {
  const { answers, acceptance, problems } = given({ address: "xmpp.example.com" }, terminal, noInput);
  expect({ answers, acceptance, problems }).toEqual({
    answers: { address: "xmpp.example.com" },
    acceptance: "ask",
    problems: [],
  });
});

test("secrets are lines of standard input in the order of the questions, or the first line of a file", () => {
  const file = path.join(directory, "password");
  writeFileSync(file, "from a file\nand more\n");
  const secrets = { "password-file": "-", "passphrase-file": "-", "sudo-password-file": "-" };
  const input = () => "open sesame\nfor sudo\nfor alice\n";
  const encrypted = { ...flags, "private-key-file": "~/.ssh/encrypted" };
  expect(plain(given({ ...encrypted, ...secrets }, script, input).answers)).toMatchObject({
    passphrase: "open sesame",
    sudoPassword: "for sudo",
    password: "for alice",
  });
  const relative = { ...flags, "password-file": "password" };
  expect(plain(given(relative, { ...script, here: directory }, noInput).answers)).toMatchObject({
    password: "from a file",
  });
});

test("a secret that is not there is a problem, and none is shown", () => {
  process.env.PROSODY_INIT_SUDO_PASSWORD = "";
  const wrong = {
    ...flags,
    "private-key-file": "~/.ssh/encrypted",
    "passphrase-file": "-",
    "password-file": "-",
  };
  const { problems } = given(wrong, script, () => "canary\n");
  expect(problems).toEqual([
    "--sudo-password-file: PROSODY_INIT_SUDO_PASSWORD is empty: put the secret into it (of a file, the first line counts).",
    "--password-file: standard input has no line for it.",
    "--passphrase-file: prosody:host.passphrase: it does not open the key; correct it.",
    "Nobody is at a terminal to be asked, and these are missing: --password-file (or PROSODY_INIT_PASSWORD).",
  ]);
  delete process.env.PROSODY_INIT_SUDO_PASSWORD;
  expect(given({ "password-file": "-" }, terminal, noInput).problems).toEqual([
    "--password-file: standard input is the terminal: leave the option out, and it is asked for.",
  ]);
  expect(given({ "password-file": "nowhere" }, terminal, noInput).problems).toEqual([
    expect.stringMatching(/^--password-file: ENOENT.*\/project\/nowhere/),
  ]);
});

test("the host's key is pinned, confirmed by its fingerprint, or accepted: one of them", () => {
  const fingerprint = `SHA256:${"a".repeat(43)}`;
  const trust = (more: object) => {
    const { answers, acceptance, problems } = given(more as never, terminal, noInput);
    return { hostKey: answers.hostKey, acceptance, problems };
  };
  expect(trust({ "host-key": `${hostKey} comment` })).toEqual({ hostKey, acceptance: "ask", problems: [] });
  expect(trust({ "host-key-fingerprint": fingerprint })).toEqual({
    acceptance: { fingerprint },
    problems: [],
  });
  expect(trust({ "accept-host-key": true })).toEqual({ acceptance: "accept", problems: [] });
  expect(trust({ "host-key-fingerprint": "MD5:00" }).problems).toEqual([
    '--host-key-fingerprint: "MD5:00": give it as `ssh-keygen -lf` prints it, SHA256: and 43 characters.',
  ]);
  expect(trust({ "host-key": hostKey, "accept-host-key": true }).problems).toEqual([
    "--accept-host-key: there is --host-key, too; give one of them.",
  ]);
});

test("paths start at the user, and in the stack config where Pulumi.yaml is", () => {
  const files = { ...flags, certificate: "files" };
  const paths = (certificate: string, here: string) =>
    given({ ...files, "certificate-file": certificate }, { ...terminal, here }, noInput).answers
      .certificateFile;
  expect(paths("leaf.crt", "/project/certs")).toBe("certs/leaf.crt");
  expect(paths("../certs/leaf.crt", "/project/tools")).toBe("certs/leaf.crt");
  expect(paths("leaf.crt", "/elsewhere")).toBe("/elsewhere/leaf.crt");
  expect(paths("/project/certs/leaf.crt", "/elsewhere")).toBe("/project/certs/leaf.crt");
  expect(paths("~/leaf.crt", "/elsewhere")).toBe("~/leaf.crt");
});

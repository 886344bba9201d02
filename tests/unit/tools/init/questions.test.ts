import { Secret } from "../../../../config/secret";
import { type Answers, problemsOf, questions } from "../../../../tools/init/questions";
import { environment, hostKey } from "../../../fixtures/bad-configs/base";

const good: Answers = {
  stack: "prod",
  address: "xmpp.example.com",
  user: "admin",
  privateKeyFile: "~/.ssh/id_ed25519",
  hostKey,
  domain: "example.com",
  jid: "alice@example.com",
  password: new Secret("hunter2"),
  certificate: "acme",
  email: "hostmaster@example.com",
};

const problems = (key: string, answers: Answers) =>
  problemsOf(questions.find((each) => each.key === key)!, answers, environment);

const files: Answers = {
  ...good,
  certificate: "files",
  certificateFile: "certs/chain.crt",
  keyFile: "certs/leaf.key",
};

test.each(questions.map(({ key }) => key))("a good answer to %s has no problem", (key) => {
  expect(problems(key, good)).toEqual([]);
  expect(
    problems(key, { ...good, port: "2222", privateKeyFile: "", sudoPassword: new Secret("lab") }),
  ).toEqual([]);
  expect(problems(key, files)).toEqual([]);
});

test.each<[key: string, answer: Partial<Answers>, problem: string]>([
  [
    "stack",
    { stack: "a b" },
    '"a b": give a name of letters, digits, hyphens, dots and underscores, such as prod.',
  ],
  ["address", { address: "" }, "prosody:host.address: is empty; give a host name or an IP address."],
  ["address", { address: "a b" }, 'prosody:host.address = "a b": an address has no spaces.'],
  ["port", { port: "0" }, 'prosody:host.port = "0": give SSH\'s port, a whole number from 1 to 65535.'],
  [
    "user",
    { user: "a b" },
    'prosody:host.user = "a b": give the name of a user on the host: letters, digits, dots, hyphens and underscores.',
  ],
  [
    "privateKeyFile",
    { privateKeyFile: "nowhere" },
    'prosody:host.privateKeyFile = "nowhere": there is no file /project/nowhere; relative paths start where Pulumi.yaml is.',
  ],
  [
    "passphrase",
    { privateKeyFile: "~/.ssh/encrypted", passphrase: new Secret("wrong") },
    "prosody:host.passphrase: it does not open the key; correct it.",
  ],
  [
    "domain",
    { domain: "a_b.example" },
    'prosody:domains["a_b.example"]: a domain has letters, digits and hyphens; certificates can\'t name one with an underscore.',
  ],
  [
    "jid",
    { jid: "alice" },
    "prosody:jids.alice: this is no JID; give name@domain, such as alice@example.com.",
  ],
  [
    "jid",
    { jid: "alice@example.net" },
    'prosody:jids["alice@example.net"]: example.net is no virtual host of this server (example.com); correct it, or add it to prosody:domains.',
  ],
  ["password", { password: new Secret("") }, "an account needs a password."],
  [
    "password",
    { password: new Secret("a\tb") },
    'prosody:jids["alice@example.com"]: the password has a control character, which SASLprep (RFC 4013) forbids.',
  ],
  ["certificate", { certificate: "letsencrypt" }, '"letsencrypt": give acme, files or selfSigned.'],
  [
    "email",
    { email: "me" },
    'prosody:domains["example.com"].acme.email = "me": give an e-mail address, such as hostmaster@example.com.',
  ],
])("%s %j is told, and nothing else", (key, answer, problem) => {
  expect(problems(key, { ...good, ...answer })).toEqual([problem]);
});

test("a certificate's chain is the certificate's problem, a foreign key the key's", () => {
  const foreign: Answers = { ...files, keyFile: "certs/other.key" };
  expect(problems("certificateFile", foreign)).toEqual([]);
  expect(problems("keyFile", foreign)).toEqual([
    'prosody:domains["example.com"].keyFile = "certs/other.key": the key does not belong to the certificate; give the one that it was requested with.',
  ]);
  expect(problems("certificateFile", { ...files, certificateFile: "certs/other.crt" })).toEqual([
    expect.stringContaining("it is for other.example, not for example.com"),
  ]);
});

test("a key's passphrase is asked for when the key has one, and the key is no problem before", () => {
  const { matters } = questions.find(({ key }) => key === "passphrase")!;
  expect(matters!({ privateKeyFile: "~/.ssh/encrypted" }, environment)).toBe(true);
  expect(matters!({ privateKeyFile: "~/.ssh/id_ed25519" }, environment)).toBe(false);
  expect(matters!({ privateKeyFile: "" }, environment)).toBe(false);
  expect(problems("privateKeyFile", { ...good, privateKeyFile: "~/.ssh/encrypted" })).toEqual([]);
});

test("nothing to log in with is told where the key is asked for", () => {
  const key = questions.find((each) => each.key === "privateKeyFile")!;
  const bare = { ...environment, agent: undefined, files: { ...environment.files, exists: () => false } };
  expect(problemsOf(key, { ...good, privateKeyFile: "" }, bare)).toEqual([
    "prosody:host: nothing to log in with: give privateKeyFile, privateKey (secret) or agent: true.",
  ]);
});

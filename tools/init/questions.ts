import { type Environment, readText } from "../../config/environment";
import { isEncrypted } from "../../config/host-keys";
import { parse } from "../../config/parse";
import { line, optionPath } from "../../config/problems";
import { attempt } from "../../config/refused";
import { Secret } from "../../config/secret";
import { either } from "../../config/words";
import { stackConfig, withSecretsInClear } from "./stack-config";

/** What is known so far. Texts are as they were typed; files are named as the stack config has them. */
export interface Answers {
  stack?: string;
  address?: string;
  port?: string;
  user?: string;
  /** Empty: the agent, and OpenSSH's standard key files. */
  privateKeyFile?: string;
  passphrase?: Secret;
  /** As OpenSSH writes it. Not there: it is still to be confirmed. */
  hostKey?: string;
  sudoPassword?: Secret;
  domain?: string;
  jid?: string;
  password?: Secret;
  certificate?: string;
  email?: string;
  certificateFile?: string;
  keyFile?: string;
}

/** Something that `npm run init` needs to know, from a flag or from the person at the terminal. */
export interface Question {
  key: Exclude<keyof Answers, "hostKey">;
  /** Without the hyphens before it. Of a secret, it names a file. */
  flag: string;
  /** Variable of the environment that may have it: a secret, whose value is never a flag's. */
  variable?: string;
  /** It is the path of a file. */
  isFile?: boolean;
  text: string;
  /** Whether it matters, after the answers before it. Default: yes. */
  matters?: (answers: Answers, env: Environment) => boolean;
  /** What is taken without an answer. */
  otherwise?: string;
  /** What an empty answer on the terminal means, where scripts have to say it. */
  suggestion?: (answers: Answers) => string | undefined;
  /** Where it goes in the stack config: the schema's problems with these options are problems of the answer. */
  options?: (answers: Answers) => PropertyKey[][];
  /** What is wrong with an answer besides what the schema says. */
  problem?: (text: string) => string | undefined;
}

const never = () => false;
const kinds = ["acme", "files", "selfSigned"];
const ofDomain =
  (...paths: string[][]) =>
  ({ domain }: Answers) =>
    paths.map((path) => ["domains", domain ?? "", ...path]);

/** How to reach the host. */
export const hostQuestions: readonly Question[] = [
  {
    key: "stack",
    flag: "stack",
    text: "Name of the stack",
    otherwise: "prod",
    problem: (text) =>
      /^[\w.-]{1,100}(\/[\w.-]{1,100}){0,2}$/.test(text)
        ? undefined
        : "give a name of letters, digits, hyphens, dots and underscores, such as prod",
  },
  {
    key: "address",
    flag: "address",
    text: "Address of the host",
    options: () => [["host", "address"]],
  },
  { key: "port", flag: "port", text: "Port of SSH", matters: never, options: () => [["host", "port"]] },
  {
    key: "user",
    flag: "user",
    text: "User to log in as: root, or one with sudo",
    otherwise: "root",
    options: () => [["host", "user"]],
  },
  {
    key: "privateKeyFile",
    flag: "private-key-file",
    isFile: true,
    text: "Private key of SSH, a file (empty: the agent's keys, and ~/.ssh/id_ed25519 and the like)",
    otherwise: "",
    options: ({ privateKeyFile }) => [privateKeyFile ? ["host", "privateKeyFile"] : ["host"]],
  },
  {
    key: "passphrase",
    flag: "passphrase-file",
    variable: "PROSODY_INIT_PASSPHRASE",
    text: "Passphrase of that key",
    matters: needsPassphrase,
    options: () => [["host", "passphrase"]],
  },
  {
    key: "sudoPassword",
    flag: "sudo-password-file",
    variable: "PROSODY_INIT_SUDO_PASSWORD",
    text: "Password that sudo asks for",
    matters: never, // before sudo was asked
  },
];

/** What the server is to be. */
export const serverQuestions: readonly Question[] = [
  {
    key: "domain",
    flag: "domain",
    text: "Domain of the addresses, such as example.com",
    suggestion: ({ address }) => /^xmpp\.(.+\..+)$/i.exec(address ?? "")?.[1],
    options: ofDomain([]),
  },
  {
    key: "jid",
    flag: "jid",
    text: "First account, which will be the administrator's",
    suggestion: ({ domain }) => `admin@${domain}`,
    options: ({ jid }) => [["jids", jid ?? ""]],
  },
  {
    key: "password",
    flag: "password-file",
    variable: "PROSODY_INIT_PASSWORD",
    text: "Its password",
    options: ({ jid }) => [["jids", jid ?? ""]],
    problem: (text) => (text === "" ? "an account needs a password" : undefined),
  },
  {
    key: "certificate",
    flag: "certificate",
    text: "Certificate: acme (Let's Encrypt, renewed by the host), files (your own), selfSigned (for trials)",
    otherwise: "acme",
    problem: (text) => (kinds.includes(text) ? undefined : `give ${either(kinds)}`),
  },
  {
    key: "email",
    flag: "email",
    text: "E-mail address, for the authority to write to",
    matters: ({ certificate }) => certificate === "acme",
    options: ofDomain(["acme", "email"]),
  },
  {
    key: "certificateFile",
    flag: "certificate-file",
    isFile: true,
    text: "Certificate, a PEM file with the whole chain",
    matters: ({ certificate }) => certificate === "files",
    options: ofDomain(["certificate"], ["intermediates"]),
  },
  {
    key: "keyFile",
    flag: "key-file",
    isFile: true,
    text: "Its private key, a PEM file",
    matters: ({ certificate }) => certificate === "files",
    options: ofDomain(["keyFile"]),
  },
];

export const questions: readonly Question[] = [...hostQuestions, ...serverQuestions];

/**
 * What is wrong with the answer to a question, in lines: by the stack config's own schema, which sees the answers up to
 * this one. A secret is in none of them.
 */
export function problemsOf(question: Question, answers: Answers, env: Environment): string[] {
  const { key, options, problem, variable } = question;
  const answer = answers[key];
  const own = problem?.(answer instanceof Secret ? answer.reveal() : (answer ?? ""));
  if (own !== undefined)
    return [variable || answer === undefined ? `${own}.` : `${JSON.stringify(answer)}: ${own}.`];
  if (!options) return [];
  const known = questions.slice(0, questions.indexOf(question) + 1).map((each) => each.key);
  const before = Object.fromEntries(
    Object.entries(answers).filter(([name]) => name === "hostKey" || known.includes(name as Question["key"])),
  ) as Answers;
  const { raw, encrypted } = withSecretsInClear(stackConfig(provisional(before, env)));
  const places = options(answers).map(optionPath);
  return parse(raw, env, encrypted)
    .problems.filter(({ option }) => places.includes(option))
    .map(line);
}

/** What the stack config needs to be looked at before everything is known: a key's passphrase, and a certificate. */
function provisional(answers: Answers, env: Environment): Answers {
  return {
    certificate: "selfSigned",
    ...(needsPassphrase(answers, env) && { passphrase: new Secret("-") }),
    ...answers,
  };
}

function needsPassphrase({ privateKeyFile }: Answers, { files }: Environment): boolean {
  if (!privateKeyFile) return false;
  const text = attempt(() => readText(files, privateKeyFile));
  return text !== undefined && isEncrypted(text);
}

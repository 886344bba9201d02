import path from "node:path";
import { parseArgs } from "node:util";
import { thisMachine } from "../config/environment";
import { parse, parseOption } from "../config/parse";
import { report } from "../config/problems";
import { root } from "../config/root";
import { Secret } from "../config/secret";
import { defaultServer, type HostSettings, type Settings } from "../config/settings";
import { say } from "../lab/command";
import type { SshHost } from "../providers/ssh/host";
import { namesFromDns } from "../verify/net/names";
import { type Flags, given, type Place } from "./init/answers";
import { askFor } from "./init/dialogue";
import { addressFindings, dnsFindings } from "./init/dns";
import { type Finding, portFindings, prosodyFinding, type Survey, survey } from "./init/findings";
import { type Acceptance, confirmedHostKey, openAsRoot } from "./init/host";
import { openStack, type Target, write } from "./init/open-stack";
import { type Answers, hostQuestions, questions, serverQuestions } from "./init/questions";
import { merged, optionsSet, stackConfig, withSecretsInClear } from "./init/stack-config";
import { ask, confirm } from "./prompt";

const usage = `npm run init -- [OPTION...]

Asks how the host is reached and what the server is to be, looks whether that can work, and writes the stack config,
with its secrets encrypted. Nothing on the host is changed. What an option says is not asked; with all of them, or
where nobody is at a terminal, nothing is.

  --stack NAME                     default: prod; it is made if need be
  --address HOST, --port PORT, --user NAME
                                   how SSH reaches the host; default: port 22, root
  --private-key-file FILE          default: the agent, and OpenSSH's standard key files
  --passphrase-file FILE           with that key's passphrase
  --host-key KEY                   the host's public key: ssh-ed25519 AAAA..., or
  --host-key-fingerprint SHA256:.. its fingerprint, or
  --accept-host-key                whatever key it shows, unless known_hosts has another one
  --sudo-password-file FILE        where sudo asks the user for one
  --domain NAME                    of the addresses
  --jid JID                        the first account, the administrator's
  --password-file FILE             with its password
  --certificate KIND               acme (default), files or selfSigned
  --email ADDRESS                  for acme
  --certificate-file FILE, --key-file FILE
                                   for files: PEM, the certificate with its whole chain
  --force                          replace what a stack config has of the same
  --resolver ADDRESS               the DNS server to ask; default: this machine's
  --cwd DIR                        directory with Pulumi.yaml; default: this clone

Secrets are the first line of their file, or the next line of standard input where it is -, in the order of this
list; or in the environment: PROSODY_INIT_PASSPHRASE, PROSODY_INIT_SUDO_PASSWORD, PROSODY_INIT_PASSWORD.

Exit status: 0 the stack config is written, 1 it is not, 2 options are missing or wrong.
`;

/** `npm run init`. Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const flags = parsed(args);
  if (!flags) return 2;
  if (flags.help) {
    process.stdout.write(usage);
    return 0;
  }
  const onTerminal = process.stdin.isTTY === true;
  const here = process.env.INIT_CWD ?? process.cwd(); // npm changes the directory
  process.chdir(path.resolve(here, (flags.cwd as string | undefined) ?? root)); // paths in the stack config start there
  const place: Place = { ...thisMachine(), here, onTerminal };

  const { answers, acceptance, problems } = given(flags, place);
  if (problems.length > 0) {
    say([...problems, "See npm run init -- --help.", ""].join("\n"));
    return 2;
  }
  Object.assign(answers, await askFor(answers, hostQuestions.slice(0, 1), place));
  const target = await openStack(answers.stack!, process.cwd(), onTerminal);
  await mayReplace(target, flags.force === true, onTerminal);

  const host = await loggedIn(answers, acceptance, place);
  const found = await survey(host).finally(() => host.close());
  show([prosodyFinding(found, target.place.name)]);

  const wanted = stackConfig(await askFor(answers, serverQuestions, place));
  const settings = validated(target, wanted, place);
  show(await findings(settings, found, flags.resolver as string | undefined));
  await write(target, wanted);
  say(next(target, found));
  return 0;
}

function parsed(args: string[]): Flags | undefined {
  const named = [...questions.map(({ flag }) => flag), "host-key", "host-key-fingerprint", "resolver", "cwd"];
  const strings = named.map((name) => [name, { type: "string" }] as const);
  const booleans = ["accept-host-key", "force", "help"].map((name) => [name, { type: "boolean" }] as const);
  try {
    return parseArgs({ args, options: Object.fromEntries([...strings, ...booleans]) }).values as Flags;
  } catch (error) {
    say(`${(error as Error).message}\n\n${usage}`);
    return undefined;
  }
}

/** @throws Error when the stack config has options, and nobody said that they may be replaced */
async function mayReplace(
  { place: { name }, config }: Target,
  force: boolean,
  onTerminal: boolean,
): Promise<void> {
  const set = optionsSet(config.raw).map((option) => `prosody:${option}`);
  if (set.length === 0 || force) return;
  const what = `The stack config of ${name} has options already: ${set.join(", ")}.`;
  const question = `${what} Replace the host, and what it says of the domain and the account that you give? The rest stays.`;
  if (onTerminal && (await confirm(question, false))) return;
  throw new Error(
    `${what} Nothing was written. --force replaces the host, and what it says of the same domain and account; or give another --stack.`,
  );
}

/**
 * The host, as root. On a terminal, what was typed there of a login that is refused is asked again.
 * @param answers are completed
 */
async function loggedIn(answers: Answers, acceptance: Acceptance, place: Place): Promise<SshHost> {
  const open = (["user", "privateKeyFile", "passphrase"] as const).filter(
    (key) => answers[key] === undefined,
  );
  for (;;) {
    Object.assign(answers, await askFor(answers, hostQuestions, place));
    answers.hostKey ??= await confirmedHostKey(hostSettings(answers, place), acceptance);
    try {
      const { host, sudoPassword } = await openAsRoot(
        hostSettings(answers, place),
        sudoPasswordOf(answers.user!, place.onTerminal),
      );
      answers.sudoPassword = sudoPassword;
      return host;
    } catch (error) {
      const typed = open.filter((key) => answers[key] !== undefined);
      const { message } = error as Error;
      if (!place.onTerminal || typed.length === 0 || message.includes("Interrupted.")) throw error;
      say(`${message}\nAgain, or ^C:`);
      for (const key of typed) delete answers[key];
    }
  }
}

/** @throws Error with all problems of the host's options */
function hostSettings(answers: Answers, place: Place): HostSettings {
  const { found, problems } = parseOption("host", withSecretsInClear(stackConfig(answers)).raw, place);
  if (problems.length > 0) throw new Error(report(problems));
  return found.get(defaultServer)!;
}

/** What sudo gets when it asks, unless it takes what flags gave. */
function sudoPasswordOf(user: string, onTerminal: boolean): (refusal?: string) => Promise<Secret> {
  return async (refusal) => {
    if (!onTerminal)
      throw new Error(
        refusal ??
          `sudo asks for the password of ${user}: give --sudo-password-file or PROSODY_INIT_SUDO_PASSWORD`,
      );
    if (refusal) say("sudo does not take it.");
    return new Secret(await ask(`Password of ${user}, for sudo: `, { hidden: true }));
  };
}

/** What the stack config will say, with all that it says already. @throws Error with all problems of it */
function validated({ config }: Target, wanted: Record<string, unknown>, place: Place): Settings {
  const { raw, encrypted } = withSecretsInClear(merged(config.raw, wanted));
  const { settings, problems } = parse(raw, place, new Set([...config.encrypted, ...encrypted]));
  if (!settings) throw new Error(report(problems));
  return settings;
}

async function findings(
  { servers, warnings }: Settings,
  found: Survey,
  resolver: string | undefined,
): Promise<Finding[]> {
  const server = servers[0]!;
  const names = namesFromDns(resolver);
  return [
    ...warnings.map((text) => ({ isWarning: true, text })),
    ...portFindings(server, found),
    ...(await addressFindings(server, names)),
    ...(await dnsFindings(server, names, found.addresses)),
  ];
}

function show(findings: readonly Finding[]): void {
  for (const { isWarning, text } of findings) say(isWarning ? `! ${text}` : `  ${text}`);
}

/** What is to be done now. */
function next({ place: { name, bin } }: Target, { installed }: Survey): string {
  const directory = path.dirname(bin);
  const isAtHand = (process.env.PATH ?? "").split(path.delimiter).includes(directory);
  const pulumi = isAtHand ? "pulumi" : `PATH="${directory}:$PATH" pulumi`;
  const commands = [
    ...(installed
      ? [`npm run compare -- --stack ${name}    # what it would change of the Prosody there`]
      : []),
    `${pulumi} up --stack ${name}`,
    `npm run verify -- --stack ${name}`,
  ];
  return `\nPulumi.${name.split("/").at(-1)}.yaml is written. Next:\n\n${commands.map((command) => `  ${command}\n`).join("")}`;
}

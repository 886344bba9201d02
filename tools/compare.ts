import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { releaseOf } from "../config/release";
import type { Server } from "../config/settings";
import { run } from "../lab/command";
import { survey } from "../providers/backup/survey";
import type { ConfigFile } from "../providers/configuration";
import { find } from "../providers/configuration/found";
import { type Accounts, accounts } from "../providers/facts/accounts";
import { osRelease } from "../providers/facts/os-release";
import { packages } from "../providers/facts/packages";
import { isWrong } from "../providers/handlers/account";
import type { Host } from "../providers/host";
import { openHost } from "../providers/ssh/host";
import { passwordHash } from "../templates/options";
import { renderConfiguration } from "../templates/render";
import { compare } from "./compare-report";
import { serverOf } from "./stack";

const usage = `npm run compare -- --stack NAME [--server NAME]

Shows what is on the host beside what the stack config says, before the first \`pulumi up\`: virtual hosts, modules,
ports, accounts, and the text of the configuration. Changes nothing.

Exit status: 0 nothing differs, 1 something does, 2 it could not be told.
`;

type Verifiers = Extract<Accounts, { known: true }>["verifiers"];

/** What a line of somebody's own configuration should not show. */
const secretLine = /((?:secret|password|passwd|token|key)\w*["\]]*\s*=\s*)("[^"]*"|'[^']*'|\[\[.*?\]\])/gi;

/** `npm run compare`. Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  try {
    const { values } = parseArgs({
      args,
      options: { stack: { type: "string" }, server: { type: "string" }, help: { type: "boolean" } },
    });
    if (values.help || !values.stack) {
      process.stderr.write(usage);
      return values.help ? 0 : 2;
    }
    const server = await serverOf(values.stack, values.server);
    const host = await openHost(server.host, server.name);
    const text = await differences(server, host).finally(() => host.close());
    process.stdout.write(text || `${server.name}: the host is as the stack config says.\n`);
    if (text) process.stdout.write(`\nNothing was changed. pulumi up does what is marked with + - ~.\n`);
    return text ? 1 : 0;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 2;
  }
}

async function differences(server: Server, host: Host): Promise<string> {
  const { family } = await host.fact(osRelease);
  const installed = await host.fact(packages(family));
  const there = await host.fact(survey);
  const release = there.version ? releaseOf(there.version) : "13.0";
  const { files } = renderConfiguration(server, release, family);
  const found = there.version ? await find(host, Object.keys(files)) : undefined;
  const users = await host.fact(accounts);
  if (!users.known) throw new Error(`${server.name}: the accounts can't be told: ${users.reason}`);
  const present = {
    survey: there,
    model: found?.model,
    verifiers: users.verifiers,
    isOurs: found?.known ?? false,
    resets: await resets(server, users.verifiers),
    packages: new Set(Object.keys(installed)),
  };
  const main = Object.values(files)[0]!.content;
  const hosts = [...main.matchAll(/^(?:VirtualHost|Component) "([^"]+)"/gm)].map(([, name]) => name!);
  const sections = compare(server, present, release, hosts).map(
    ({ heading, lines }) => `${heading}\n${lines.map((line) => `  ${line}\n`).join("")}`,
  );
  const texts = await Promise.all(
    Object.entries(files).map(([file, wanted]) => textDifference(file, found?.files[file], wanted)),
  );
  return [...sections, ...texts.filter(Boolean)].join("\n");
}

/** Accounts that are there with another password than the one that the stack config enforces, or with none. */
async function resets(server: Server, verifiers: Verifiers): Promise<Set<string>> {
  const hash = passwordHash(server.options);
  const wrong = await Promise.all(
    server.jids.map(async ({ jid, password, policy }) => {
      const isOurs = password && verifiers.has(jid);
      return isOurs && (await isWrong(verifiers.get(jid), { password: password.reveal(), policy, hash }))
        ? [jid]
        : [];
    }),
  );
  return new Set(wrong.flat());
}

/** As diff -u prints it, with what may be a secret in somebody's own configuration hidden. */
async function textDifference(file: string, is: ConfigFile | undefined, wanted: ConfigFile): Promise<string> {
  if (is?.content === wanted.content) return "";
  const directory = await mkdtemp(path.join(tmpdir(), "prosody-compare-"));
  try {
    const names = { is: path.join(directory, "is"), wanted: path.join(directory, "wanted") };
    await writeFile(names.is, (is?.content ?? "").replace(secretLine, "$1[secret]"), { mode: 0o600 });
    await writeFile(names.wanted, wanted.content, { mode: 0o600 });
    const labels = ["--label", `${file} on the host`, "--label", `${file} by the stack config`];
    return (await run("diff", ["-u", ...labels, names.is, names.wanted], { accept: [0, 1] })).stdout;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

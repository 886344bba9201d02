import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Server } from "../config/settings";
import { say } from "../lab/command";
import { openHost } from "../providers/ssh/host";
import { type Names, namesAt, namesFromDns } from "../verify/net/names";
import { score, summary, table } from "../verify/report";
import { type Report, verify } from "../verify/run";
import { settingsOf } from "./stack";

/** Seconds; accounts that are older than three minutes are taken for leftovers (verify/throw-away.ts). */
const longest = 120;

const usage = `npm run verify -- [--stack NAME] [OPTION...]

Plays users against the server of a stack, from this machine: logs in, sends messages, shares files, and so on, with
accounts made for it and removed at its end. One line for each thing that the stack config promises.

  --stack NAME        the stack; default: PULUMI_STACK, or dev
  --server NAME       one server of a stack with several; default: all, one after the other
  --cwd DIR           directory with Pulumi.yaml; default: the current one
  --resolver ADDRESS  the DNS server to ask, as ADDRESS or ADDRESS:PORT; default: this machine's
  --address ADDRESS   don't ask DNS: all names are at this address (for a domain without records)
  --ca FILE           PEM of an authority to trust beside the public ones
  --peer DOMAIN       another server, or a JID there, that this one should reach
  --only TEXT         only lines with this text
  --json              the result as JSON on standard output

Exit status: 0 all passed, 1 some failed, 2 it could not run.
`;

/** The command line of verify. Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const values = parsed(args);
  if (!values) return 2;
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  try {
    return await verifyStack(values.stack, values.cwd ?? process.cwd(), values);
  } catch (error) {
    say((error as Error).message);
    return 2;
  }
}

/**
 * Verifies all servers of a stack, and prints what became of it.
 * @param cwd directory with Pulumi.yaml
 * @returns the exit code: whether all passed
 * @throws Error when it can't run
 */
export async function verifyStack(
  stack: string | undefined,
  cwd: string,
  options: VerifyOptions,
): Promise<number> {
  const servers = chosen((await settingsOf(stack, cwd)).servers, options);
  const results: (Report & { server: string })[] = [];
  for (const server of servers) {
    const outcome = await verifyServer(server, options);
    results.push({ server: server.name, ...outcome });
    if (!options.json) show(server, outcome);
  }
  const lines = results.flatMap((result) => result.lines);
  if (options.json)
    process.stdout.write(`${JSON.stringify({ ...summary(lines), servers: results }, undefined, 2)}\n`);
  const { passed, of } = score(lines);
  return passed === of ? 0 : 1;
}

/** @throws Error when there is no such server, or one address is to be that of several */
function chosen(servers: Server[], { server: name, address }: VerifyOptions): Server[] {
  const names = servers.map((server) => server.name).join(", ");
  const found = servers.filter((server) => name === undefined || server.name === name);
  if (found.length === 0)
    throw new Error(`--server ${name}: there is no such server; the stack has ${names}.`);
  if (address !== undefined && found.length > 1)
    throw new Error(`--address ${address} is for one server; choose it with --server, of ${names}.`);
  return found;
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        stack: { type: "string" },
        server: { type: "string" },
        cwd: { type: "string" },
        resolver: { type: "string" },
        address: { type: "string" },
        ca: { type: "string" },
        peer: { type: "string" },
        only: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    say(`${(error as Error).message}\n\n${usage}`);
    return undefined;
  }
}

interface VerifyOptions {
  json?: boolean;
  server?: string;
  resolver?: string;
  address?: string;
  ca?: string;
  peer?: string;
  only?: string;
}

/** Verifies one server of a stack; ^C ends it early, and removes what it made. */
async function verifyServer(server: Server, options: VerifyOptions): Promise<Report> {
  const interrupted = new AbortController();
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new Error(`the run took more than ${longest} s`)),
    longest * 1000,
  );
  const stop = () => interrupted.abort(new Error("interrupted"));
  process.on("SIGINT", stop).on("SIGTERM", stop);
  const host = await openHost(server.host, server.name);
  try {
    const report = await verify({
      server,
      host,
      network: { names: namesFor(server, options), ca: caFrom(options.ca) },
      peer: options.peer,
      only: options.only,
      signal: AbortSignal.any([interrupted.signal, late.signal]),
    });
    if (interrupted.signal.aborted) throw interrupted.signal.reason;
    return report;
  } finally {
    clearTimeout(timer);
    await host.close();
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}

function namesFor({ ports }: Server, { address, resolver }: VerifyOptions): Names {
  if (!address) return namesFromDns(resolver);
  return namesAt(address, {
    "_xmpp-client._tcp": ports.clientStarttls,
    "_xmpps-client._tcp": ports.clientDirectTls,
    "_xmpp-server._tcp": ports.server,
    "_xmpps-server._tcp": ports.serverDirectTls,
  });
}

function caFrom(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  if (!existsSync(file))
    throw new Error(
      `--ca ${file}: there is no such file. Give the PEM file of the authority that issued the certificate.`,
    );
  return readFileSync(file, "utf8");
}

function show(server: Server, { version, lines }: Report): void {
  for (const { name } of server.domains) {
    process.stdout.write(`Verify ${name}, Prosody ${version} on ${server.host.address}\n\n`);
    process.stdout.write(`${table(lines.filter(({ domain }) => domain === name))}\n\n`);
  }
}

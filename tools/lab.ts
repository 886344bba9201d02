import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { certificate, down, list, prepareMachine, type Release, releases, sshArguments, up } from "../lab";
import { nameServer } from "../lab/name-server";
import { quote } from "../providers/ssh/quote";

const usage = `npm run lab -- COMMAND

  up NAME...            boot hosts, or make them first: Linux with systemd and sshd, in seconds
     --release RELEASE  trixie (default: Debian 13, Prosody 13), bookworm (Debian 12, Prosody 0.12) or
                        fedora (Fedora's dnf, rpm and layout, Prosody 13)
     --prepared         with Prosody's packages in apt's cache, so that no mirror is needed (fedora: always so)
     --sudo-password    the user admin must give the password "lab" to sudo
  down [NAME...]        remove hosts; without a name, all that the lab made on this machine
  list [--json]         hosts with release, address and state
  exec NAME -- COMMAND  run a command as root; one argument is a shell script, several are a command and
                        its arguments; the exit code is the command's
  ssh NAME [--admin]    log in as root, or as the user admin

The host called dev always has the address 10.77.1.2. docs/lab.md says more.
`;

/** The command line of the lab. Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const [command, ...rest] = args;
  switch (command) {
    case "up":
      return bringUp(rest);
    case "down":
      await down(...parseArgs({ args: rest, allowPositionals: true }).positionals);
      return 0;
    case "list":
      return show(rest);
    case "exec":
      return execute(rest);
    case "ssh": {
      const { values, positionals } = parseArgs({
        args: rest,
        allowPositionals: true,
        options: { admin: { type: "boolean" } },
      });
      return ssh(await sshArguments(required(positionals), values.admin ? "admin" : "root"));
    }
    case "help":
    case "--help":
    case "-h":
      process.stdout.write(usage);
      return 0;
    default:
      process.stderr.write(usage);
      return 2;
  }
}

async function bringUp(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      release: { type: "string" },
      prepared: { type: "boolean" },
      "sudo-password": { type: "boolean" },
    },
  });
  required(positionals);
  const { release } = values;
  if (release !== undefined && !isRelease(release))
    throw new Error(`--release ${release}: there is no such release; use ${releases.join(", ")}.`);
  await prepareMachine();
  await certificate("example.test"); // Pulumi.dev.yaml names its files
  const outcomes = await Promise.allSettled(
    positionals.map(async (name) => {
      const started = Date.now();
      const host = await up(name, {
        release,
        prepared: values.prepared,
        sudoPassword: values["sudo-password"],
      });
      if (name === "dev") await nameServer(host, ["example.test"]); // Pulumi.dev.yaml names it
      const seconds = ((Date.now() - started) / 1000).toFixed(1);
      process.stdout.write(`${host.name}\t${host.release}\t${host.address}\tup in ${seconds} s\n`);
    }),
  );
  const failures = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
  if (failures.length > 0) throw new Error(failures.map((error) => error.message).join("\n"));
  return 0;
}

async function show(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { json: { type: "boolean" } } });
  const hosts = await list();
  if (values.json) process.stdout.write(`${JSON.stringify(hosts, undefined, 2)}\n`);
  else
    for (const { name, release, address, state } of hosts)
      process.stdout.write(`${[name, release || "-", address || "-", state].join("\t")}\n`);
  return 0;
}

async function execute(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  const command = rest[0] === "--" ? rest.slice(1) : rest;
  if (!name || command.length === 0)
    throw new Error("exec needs a host and a command: npm run lab -- exec NAME COMMAND.");
  const script = command.length === 1 ? command[0]! : command.map(quote).join(" ");
  return ssh([...(await sshArguments(name)), script]);
}

function ssh(args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn("ssh", args, { stdio: "inherit" });
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

const isRelease = (text: string): text is Release => (releases as readonly string[]).includes(text);

function required([name]: string[]): string {
  if (name === undefined) throw new Error("Which host? Give its name. See npm run lab.");
  return name;
}

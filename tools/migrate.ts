import { readFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import { Secret } from "../config/secret";
import { type Migration, migrate, shown } from "./migration";
import { type Leaf, leaves, setOptions } from "./set-options";
import { placeOf, unlocked } from "./stack";

const usage = `npm run migrate -- VARS.yml                  prints the stack config, and the commands that set its secrets
npm run migrate -- VARS.yml --write STACK    sets both in a stack
The variables file of the old Ansible role: docs/migrating.md says what becomes of each variable.`;

/** `npm run migrate`: the old role's variables as a stack config. No secret is printed, or becomes an argument. */
export async function main(args: string[]): Promise<number> {
  const [file, action, name] = args;
  if (
    !file ||
    file.startsWith("-") ||
    (action && !["--write", "--secret"].includes(action)) ||
    (action && !name)
  ) {
    process.stderr.write(`${usage}\n`);
    return 2;
  }
  const absolute = path.resolve(process.env.INIT_CWD ?? process.cwd(), file); // npm changes the directory
  const found = migrate(read(absolute));
  if (action === "--secret") return printSecret(found, name!);
  if (action === "--write") return write(found, name!);
  process.stdout.write(text(found, absolute));
  return 0;
}

/** @throws Error that names the file */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(
      `The file with the role's variables, ${file}, can't be read (${code}). Give its path, or that of the playbook that has them.`,
    );
  }
}

/** The stack config, and what is to be done for the rest, as a shell script's comments and commands. */
export function text({ config, secrets, notes }: Migration, file: string): string {
  const named = Object.fromEntries(Object.entries(config).map(([key, value]) => [`prosody:${key}`, value]));
  const set = [...secrets.keys()].map((path) => {
    const quoted = shown(path);
    return `node tools/run.cjs migrate '${shown(file)}' --secret '${quoted}' | pulumi config set --path --secret '${quoted}'`;
  });
  return [
    "# To be put into Pulumi.STACK.yaml:",
    stringify({ config: named }).trimEnd(),
    ...(set.length > 0
      ? ["", "# Then, for the secrets, which stay out of sight:", ...set.map((line) => `#   ${line}`)]
      : []),
    "",
    ...notes.map((note) => `# ${note}`),
    "",
  ].join("\n");
}

function printSecret({ secrets }: Migration, path: string): number {
  const secret = secrets.get(path);
  if (secret === undefined)
    throw new Error(
      `There is no secret ${path} in this file; it has ${[...secrets.keys()].join(", ") || "none"}.`,
    );
  if (process.stdout.isTTY)
    throw new Error("A secret is not printed on a terminal: pipe it into pulumi config set.");
  process.stdout.write(secret);
  return 0;
}

/** Sets every option, and every secret, in a stack. */
async function write({ config, secrets, notes }: Migration, stack: string): Promise<number> {
  const options = Object.entries(config).flatMap(([option, value]) => [...leaves(option, value)]);
  const encrypted = [...secrets].map(([path, secret]): Leaf => [path, new Secret(secret)]);
  await setOptions(await unlocked(await placeOf(stack, process.cwd())), [...options, ...encrypted]);
  process.stderr.write([`Set ${secrets.size} secrets and the options of ${stack}.`, ...notes, ""].join("\n"));
  return 0;
}

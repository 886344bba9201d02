import { readFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { Secret } from "../config/secret";

const variable = "PROSODY_BACKUP_PASSPHRASE";

/**
 * A passphrase: from a file, the environment, or the terminal. Never from an argument, which every user of the
 * machine can see in the process list.
 * @param file its first line is taken
 * @param twice a new one is asked for twice
 * @throws Error where there is none, or an empty one
 */
export async function passphrase(file: string | undefined, twice: boolean): Promise<Secret> {
  const given = file === undefined ? process.env[variable] : readFileSync(file, "utf8").split(/\r?\n/)[0];
  if (given) return new Secret(given);
  if (given !== undefined)
    throw new Error(
      `${file ?? variable} is empty: put the passphrase into it (of a file, the first line counts).`,
    );
  if (!process.stdin.isTTY)
    throw new Error(`No passphrase: set ${variable}, or give --passphrase-file, or run this on a terminal.`);
  const first = await ask("Passphrase: ");
  if (first === "") throw new Error("An empty passphrase protects nothing: run this again and type one.");
  if (twice && (await ask("Once more: ")) !== first)
    throw new Error("The two passphrases differ: run this again.");
  return new Secret(first);
}

/** Asks on the terminal, without showing what is typed. */
async function ask(question: string): Promise<string> {
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  process.stderr.write(question);
  try {
    return await terminal.question("");
  } finally {
    terminal.close();
    process.stderr.write("\n");
  }
}

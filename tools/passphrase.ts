import { readFileSync } from "node:fs";
import { Secret } from "../config/secret";
import { ask } from "./prompt";

const variable = "PROSODY_BACKUP_PASSPHRASE";

/**
 * A passphrase: from a file, the environment, or the terminal. Never from an argument, which every user of the
 * machine can see in the process list.
 * @param file its first line is taken
 * @param twice a new one is asked for twice
 * @throws Error where there is none, or an empty one
 */
export async function passphrase(file: string | undefined, twice: boolean): Promise<Secret> {
  const given = givenSecret(file, variable);
  if (given) return given;
  if (!process.stdin.isTTY)
    throw new Error(`No passphrase: set ${variable}, or give --passphrase-file, or run this on a terminal.`);
  return askPassphrase("Passphrase: ", twice);
}

/** A secret from a file's first line, or else from a variable of the environment. @throws Error for an empty one */
export function givenSecret(file: string | undefined, variable: string): Secret | undefined {
  const given = file === undefined ? process.env[variable] : readFileSync(file, "utf8").split(/\r?\n/)[0];
  if (given === "")
    throw new Error(
      `${file ?? variable} is empty: put the secret into it (of a file, the first line counts).`,
    );
  return given === undefined ? undefined : new Secret(given);
}

/** Asks on the terminal for a passphrase, a new one twice. */
export async function askPassphrase(question: string, twice: boolean): Promise<Secret> {
  const problem = (text: string) => (text === "" ? "An empty passphrase protects nothing." : undefined);
  return new Secret(await ask(question, { hidden: true, twice, problem }));
}

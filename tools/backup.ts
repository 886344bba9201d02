import { createWriteStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { say } from "../lab/command";
import { type Encryption, encrypt } from "../providers/backup/encryption";
import { save } from "../providers/backup/save";
import { survey } from "../providers/backup/survey";
import { openHost } from "../providers/ssh/host";
import { passphrase } from "./passphrase";
import { serverOf } from "./stack";

const usage = `npm run backup -- --stack NAME [OPTION...]

Saves all that a server consists of in one file on this machine: accounts, messages, rooms, uploads, databases,
configuration, certificates and keys.

  --stack NAME            the stack whose server it is
  --server NAME           where the stack has several
  --output FILE           default SERVER-DATE.tar.gz, or .tar.gz.age, here; it must not exist
  --encrypt               with a passphrase: from PROSODY_BACKUP_PASSPHRASE, or asked for
  --passphrase-file FILE  with the passphrase in the file's first line
  --recipient age1...     for who has that key (age-keygen makes one); may be given several times

An encrypted file is one of age (https://age-encryption.org). docs/operations.md says more.
`;

/** `npm run backup`. Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      stack: { type: "string" },
      server: { type: "string" },
      output: { type: "string" },
      encrypt: { type: "boolean" },
      "passphrase-file": { type: "string" },
      recipient: { type: "string", multiple: true },
      help: { type: "boolean" },
    },
  });
  if (values.help || !values.stack) {
    process.stderr.write(usage);
    return values.help ? 0 : 2;
  }
  const { recipient: recipients, "passphrase-file": file } = values;
  if (recipients && (values.encrypt || file))
    throw new Error("Give either a passphrase (--encrypt, --passphrase-file) or --recipient, not both.");
  const server = await serverOf(values.stack, values.server);
  const encryption: Encryption | undefined = recipients
    ? { recipients }
    : values.encrypt || file
      ? { passphrase: await passphrase(file, true) }
      : undefined;
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const output = path.resolve(values.output ?? `${server.name}-${date}.tar.gz${encryption ? ".age" : ""}`);

  const host = await openHost(server.host, server.name);
  try {
    const found = await host.fact(survey);
    if (!found.version)
      throw new Error(`${server.name}: Prosody is not installed there, so there is nothing to back up.`);
    const started = Date.now();
    const { outage, size } = await writeNew(output, async (part) => {
      const file = createWriteStream(part, { flags: "wx", mode: 0o600 });
      if (!encryption) {
        const saved = await save(host, found, file);
        await new Promise<void>((resolve, reject) =>
          file.end((error?: Error) => (error ? reject(error) : resolve())),
        );
        return saved.outage;
      }
      const encrypted = await encrypt(encryption);
      const written = pipeline(encrypted.output, file);
      written.catch((error) => encrypted.input.destroy(error));
      const saved = await save(host, found, encrypted.input);
      encrypted.input.end();
      await written;
      return saved.outage;
    });
    say(
      `${output}: ${(size / 1e6).toFixed(1)} MB in ${((Date.now() - started) / 1000).toFixed(1)} s; ` +
        (outage ? `Prosody was stopped for ${(outage / 1000).toFixed(1)} s.` : "Prosody was not stopped."),
    );
    if (!encryption)
      say("It is not encrypted, and it has the server's keys: keep it where nobody else can read it.");
    return 0;
  } finally {
    await host.close();
  }
}

/** Writes a file that has its name only when it is complete. @throws Error when there is one of that name */
async function writeNew(
  file: string,
  write: (part: string) => Promise<number>,
): Promise<{ outage: number; size: number }> {
  const reserved = await open(file, "wx", 0o600).catch((error: Error) => {
    throw new Error(`${file} can't be made (${error.message}). Give another --output.`);
  });
  await reserved.close();
  const part = `${file}.part`;
  try {
    const outage = await write(part);
    const handle = await open(part);
    await handle.sync();
    const { size } = await handle.stat();
    await handle.close();
    await rename(part, file);
    return { outage, size };
  } catch (error) {
    await rm(part, { force: true });
    await rm(file, { force: true });
    throw error;
  }
}

import { createReadStream, existsSync, readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { parseArgs } from "node:util";
import { asciiDomain } from "../config/domain-name";
import { project } from "../config/namespace";
import { Secret } from "../config/secret";
import { say } from "../lab/command";
import { decrypt, isEncrypted, type Key } from "../providers/backup/encryption";
import { type Manifest, readManifest } from "../providers/backup/manifest";
import { restore } from "../providers/backup/restore";
import { ownerFor } from "../providers/ownership";
import { openHost } from "../providers/ssh/host";
import { passphrase } from "./passphrase";
import { serverOf } from "./stack";

const usage = `npm run restore -- --stack NAME FILE [OPTION...]

Brings the data of a backup (accounts, messages, rooms, uploads, databases) to the stack's host; Prosody is
installed there if need be. Afterwards \`pulumi up --run-program\` brings the rest.

  --stack NAME            the stack whose server it is to be
  --server NAME           where the stack has several
  --replace               the host may have data: they are archived there, then replaced
  --passphrase-file FILE  the passphrase is in the file's first line; else it comes from
                          PROSODY_BACKUP_PASSPHRASE, or is asked for
  --identity FILE         the key of a recipient, as age-keygen writes it
`;

/** `npm run restore`. Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      stack: { type: "string" },
      server: { type: "string" },
      replace: { type: "boolean" },
      "passphrase-file": { type: "string" },
      identity: { type: "string" },
      help: { type: "boolean" },
    },
  });
  const [file] = positionals;
  if (values.help || !values.stack || !file) {
    process.stderr.write(usage);
    return values.help ? 0 : 2;
  }
  if (!existsSync(file)) throw new Error(`there is no file ${file}: give one that \`npm run backup\` wrote.`);
  const key = (await isEncrypted(file)) ? await keyOf(values.identity, values["passphrase-file"]) : undefined;
  const archive = async (): Promise<Readable> => (key ? decrypt(file, key) : createReadStream(file));
  const manifest = await readManifest(await archive()).catch((error: Error) => {
    throw new Error(`${file}: ${error.message}.`);
  });
  const server = await serverOf(values.stack, values.server);
  const domains = server.domains.map(({ name }) => name);
  checkDomains(manifest, domains);
  say(`Backup of ${manifest.date}: Prosody ${manifest.prosody}, ${virtualHosts(manifest).join(", ")}`);

  const host = await openHost(server.host, server.name);
  try {
    await ownerFor(host, server.name, `${project}/${values.stack.split("/").at(-1)}`);
    const { outage, replaced, runs } = await restore(
      host,
      manifest,
      archive,
      server.storage.kind,
      values.replace ?? false,
    );
    if (replaced) say(`What was there is in ${replaced} on the host.`);
    say(
      runs
        ? `The data is in place, and Prosody runs with it; it was stopped for ${(outage / 1000).toFixed(1)} s.`
        : `The data is in place. Prosody does not run yet: pulumi up --run-program --stack ${values.stack}`,
    );
    return 0;
  } finally {
    await host.close();
  }
}

async function keyOf(identity: string | undefined, passphraseFile: string | undefined): Promise<Key> {
  if (identity === undefined) return { passphrase: await passphrase(passphraseFile, false) };
  const lines = readFileSync(identity, "utf8").split(/\r?\n/);
  return {
    identities: lines.filter((line) => line && !line.startsWith("#")).map((line) => new Secret(line)),
  };
}

const virtualHosts = ({ hosts }: Manifest) =>
  Object.keys(hosts)
    .filter((host) => hosts[host] === "")
    .map(asciiDomain)
    .sort();

function checkDomains(manifest: Manifest, domains: readonly string[]): void {
  const others = virtualHosts(manifest).filter((host) => !domains.includes(host));
  if (others.length === 0) return;
  const text = `The backup is of ${virtualHosts(manifest).join(", ")}, and the stack's domains are ${domains.join(", ")}`;
  if (others.length === virtualHosts(manifest).length)
    throw new Error(
      `${text}: this is another server. Choose the stack with --stack, and the server with --server.`,
    );
  say(
    `${text}. The data of ${others.join(", ")} will be on the host, and unused until that is among prosody:domains.`,
  );
}

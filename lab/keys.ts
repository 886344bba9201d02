import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { run } from "./command";
import { withLock } from "./lock";
import { paths } from "./paths";

/** Makes an Ed25519 key pair in OpenSSH's format, unless it is there. Returns the public key, without comment. */
export async function ensureKey(file: string): Promise<string> {
  if (!existsSync(`${file}.pub`))
    await withLock(paths.lock("keys"), "Waiting for another process that makes keys.", async () => {
      if (existsSync(`${file}.pub`)) return;
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "prosody-pulumi lab", "-f", file], {
        input: "y\n", // a private key without its public one is half-made: overwrite it
      });
    });
  const [type, key] = (await readFile(`${file}.pub`, "utf8")).split(" ");
  return `${type} ${key}`;
}

/** Puts a host's key into the lab's known_hosts, instead of what was known for that address. */
export async function learn(address: string, key: string): Promise<void> {
  await withLock(
    paths.lock("known_hosts"),
    "Waiting for another process that writes known_hosts.",
    async () => {
      const file = paths.knownHosts();
      const known = await readFile(file, "utf8").catch(() => "");
      await writeFile(`${file}.new`, withKey(known, address, key), { mode: 0o600 });
      await rename(`${file}.new`, file);
    },
  );
}

/** The text of a known_hosts file in which `address` has just `key`. */
export function withKey(known: string, address: string, key: string): string {
  const others = known.split("\n").filter((line) => line !== "" && !line.startsWith(`${address} `));
  return `${[...others, `${address} ${key}`].join("\n")}\n`;
}

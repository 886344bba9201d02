import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { Readable, Transform } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import type { Secret } from "../../config/secret";

/** How a backup is encrypted: in the format of age (https://age-encryption.org/v1), which its own tools read, too. */
export type Encryption = { passphrase: Secret } | { recipients: readonly string[] };

/** What opens it: a passphrase, or identities (`AGE-SECRET-KEY-1…`). */
export type Key = { passphrase: Secret } | { identities: readonly Secret[] };

const header = "age-encryption.org/v1\n";

/** The library is an ES module, which a CommonJS one can load only so. */
const age = () => import("age-encryption");

/**
 * Encrypts what is written to `input`; `output` is the encrypted text.
 * @throws Error for a recipient that is none
 */
export async function encrypt(encryption: Encryption): Promise<{ input: Transform; output: Readable }> {
  const { Encrypter } = await age();
  const encrypter = new Encrypter();
  if ("passphrase" in encryption) encrypter.setPassphrase(encryption.passphrase.reveal());
  else
    for (const recipient of encryption.recipients)
      try {
        encrypter.addRecipient(recipient);
      } catch {
        throw new Error(
          `--recipient ${recipient} is no recipient of age: give one that begins with age1, see age-keygen -y`,
        );
      }
  const input = new Transform({ transform: (chunk, _encoding, done) => done(null, chunk) });
  const encrypted = await encrypter.encrypt(Readable.toWeb(input) as globalThis.ReadableStream<Uint8Array>);
  return { input, output: Readable.fromWeb(encrypted as unknown as ReadableStream<Uint8Array>) };
}

/** Whether a file is encrypted in that format. */
export async function isEncrypted(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(header.length), 0, header.length, 0);
    return buffer.toString("latin1", 0, bytesRead) === header;
  } finally {
    await handle.close();
  }
}

/**
 * The content of an encrypted file.
 * @throws Error when the key does not open it
 */
export async function decrypt(file: string, key: Key): Promise<Readable> {
  const { Decrypter } = await age();
  const decrypter = new Decrypter();
  if ("passphrase" in key) decrypter.addPassphrase(key.passphrase.reveal());
  else
    for (const identity of key.identities)
      try {
        decrypter.addIdentity(identity.reveal());
      } catch {
        throw new Error(
          "the identity file has a line that is no identity of age (AGE-SECRET-KEY-1…). Give --identity the file that age-keygen wrote",
        );
      }
  const source = createReadStream(file);
  try {
    const plain = await decrypter.decrypt(Readable.toWeb(source) as globalThis.ReadableStream<Uint8Array>);
    return Readable.fromWeb(plain as unknown as ReadableStream<Uint8Array>);
  } catch (error) {
    source.destroy();
    throw new Error(
      `${file} can't be opened with this ${"passphrase" in key ? "passphrase" : "identity"} (${(error as Error).message})`,
    );
  }
}

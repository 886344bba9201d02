import { utils } from "ssh2";
import { hostName, knownKeys } from "../providers/ssh/known-hosts";
import type { Files } from "./environment";
import { Refused } from "./refused";
import type { HostSettings } from "./settings";

const types = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

/**
 * A host's public key as OpenSSH writes it, without its comment.
 * @throws Refused
 */
export function parseHostKey(text: string): string {
  const words = text.trim().split(/\s+/);
  if (text.includes("PRIVATE KEY"))
    throw new Refused(
      "this is a private key, which must not leave its host; give the public key (…_key.pub)",
    );
  if (/^(SHA256|MD5):/.test(words[0]!))
    throw new Refused("this is a fingerprint; give the whole public key, as ssh-keyscan HOST shows it");
  const start = words.findIndex((word) => types.includes(word));
  if (start > 0)
    throw new Refused(`leave out what comes before ${words[start]}; a pinned key has no host name before it`);
  const [type, base64] = words;
  if (type === "ssh-dss") throw new Refused("DSA keys are too weak; give the host's ssh-ed25519 key");
  if (type?.includes("-cert-v01@"))
    throw new Refused("this is a certificate; give the host's plain public key");
  if (start < 0)
    throw new Refused(
      "this is no public key; give one such as ssh-ed25519 AAAAC3Nz…, as ssh-keyscan HOST shows it",
    );
  const key = utils.parseKey(`${type} ${base64}`);
  if (key instanceof Error || key.type !== type || key.getPublicSSH().toString("base64") !== base64)
    throw new Refused("the key is cut off or damaged; copy the whole line of /etc/ssh/ssh_host_…_key.pub");
  return `${type} ${base64}`;
}

const lacksPassphrase = /no passphrase given/i;

/**
 * Says what keeps a private key from being used, without a word of it; `undefined` when nothing does.
 * @param passphrase of an encrypted key
 */
export function checkPrivateKey(
  text: string,
  passphrase: string | undefined,
): { of: "key" | "passphrase"; message: string } | undefined {
  const wrong = (message: string) => ({ of: "key" as const, message });
  if (text.trim() === "") return wrong("it is empty");
  if (/^\s*(ssh-|ecdsa-|sk-)/.test(text) || text.includes("PUBLIC KEY"))
    return wrong("this is the public key; give the private one (the file without .pub)");
  if (text.includes("-----BEGIN CERTIFICATE"))
    return wrong("this is a certificate; give a private key for SSH");
  if (!text.includes("\n") && text.includes("\\n"))
    return wrong('its line breaks are the two characters \\n; in YAML, use "|" and an indented block');
  if (!text.includes("\n") && /^[~./]/.test(text))
    return wrong("this looks like a path; the path of a key goes into privateKeyFile");
  const key = utils.parseKey(text, passphrase);
  if (!(key instanceof Error)) return undefined;
  if (lacksPassphrase.test(key.message))
    return wrong("the key is encrypted; give its passphrase, as a secret");
  if (passphrase !== undefined && /bad passphrase|integrity|decrypt/i.test(key.message))
    return { of: "passphrase", message: "it does not open the key; correct it" };
  return wrong("this is no private key that SSH knows; give one as `ssh-keygen -t ed25519` makes it");
}

/** Whether a private key can be used with a passphrase only. */
export function isEncrypted(text: string): boolean {
  const key = utils.parseKey(text);
  return key instanceof Error && lacksPassphrase.test(key.message);
}

/**
 * The one key that a host is known by before anybody asks it: the first pinned one, or the strongest of known_hosts.
 * @returns as OpenSSH writes it; `undefined` when there is none
 */
export function knownHostKey(
  { address, port, trust }: Pick<HostSettings, "address" | "port" | "trust">,
  files: Files,
): string | undefined {
  if (trust.kind === "pinned") return trust.hostKeys[0];
  if (!files.exists(trust.file)) return undefined;
  const known = knownKeys(files.read(trust.file), hostName(address, port)).filter(({ revoked }) => !revoked);
  const [best] = known.sort((a, b) => types.indexOf(a.type) - types.indexOf(b.type));
  return best && `${best.type} ${best.blob.toString("base64")}`;
}

import { utils } from "ssh2";

interface Options {
  bits?: number;
  passphrase?: string;
  cipher?: string;
  rounds?: number;
}

/**
 * An SSH key pair in OpenSSH's format. ssh2 writes about one ed25519 key in two hundred so that nobody can read
 * it, so this makes keys until one can be read back.
 */
export function sshKeyPair(
  type: "ed25519" | "ecdsa" | "rsa" = "ed25519",
  options: Options = {},
): { private: string; public: string } {
  for (;;) {
    const pair = utils.generateKeyPairSync(type, options as never);
    const keys = [utils.parseKey(pair.public), utils.parseKey(pair.private, options.passphrase)];
    if (!keys.some((key) => key instanceof Error)) return pair;
  }
}

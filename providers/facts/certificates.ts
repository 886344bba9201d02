import type { Fact } from "../host";

/**
 * Where Prosody looks for certificates, by host name (https://prosody.im/doc/certificates). In the Fedora family
 * it is a link to /etc/pki/prosody.
 */
export const certificateDirectory = "/etc/prosody/certs";

/** Made before files are changed and removed once the server has loaded them; gone after a reboot, as is the server. */
export const pendingMark = "/run/prosody-pulumi-certificates-not-live";

/** One file in the certificate directory. */
export interface CertificateFile {
  content: string;
  /** Octal, four digits. */
  mode: string;
  /** "root:prosody" */
  owner: string;
}

export interface CertificateFiles {
  /** File name → file; links are followed. */
  files: Record<string, CertificateFile>;
  /** Files were changed, and the server has not been told since. */
  pending: boolean;
}

/** All certificates and keys of a host. Holds private keys: never to be shown. */
export const certificateFiles: Fact<CertificateFiles> = {
  name: "certificates",
  script: `[ ! -e ${pendingMark} ] || echo pending
cd ${certificateDirectory} 2>/dev/null || exit 0
for file in *.crt *.key; do
  [ -f "$file" ] || continue
  stat -L -c 'file %a %U:%G %n' -- "$file"
  base64 -- "$file"
done`,
  parse(stdout) {
    const [head = "", ...parts] = stdout.split(/^file /m);
    const files = parts.map((part) => {
      const [, mode = "", owner = "", name = "", encoded = ""] =
        /^(\d+) (\S+) (.*)\n([^]*)$/.exec(part) ?? [];
      const content = Buffer.from(encoded, "base64").toString();
      return [name, { content, mode: mode.padStart(4, "0"), owner }] as const;
    });
    return { files: Object.fromEntries(files), pending: head.trim() === "pending" };
  },
};

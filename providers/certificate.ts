import type { Common } from "./handler";

/** The certificate chain and key of one virtual host, below Prosody's certificate directory. */
export interface CertificateInputs extends Common {
  domain: string;
  /** PEM: leaf, then intermediates, the one nearest the root last. */
  chain: string;
  /** PEM; secret. */
  key: string;
  /** Of both files, "0640 root:prosody". */
  mode: string;
  owner: string;
}

export interface CertificateState extends CertificateInputs {
  /** End of validity of the leaf that is on the host, ISO 8601. */
  expires: string;
}

import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** The certificate chain and key of one virtual host, in Prosody's certificate directory as DOMAIN.crt and DOMAIN.key. */
export interface CertificateInputs extends Common {
  domain: string;
  /** PEM: leaf, then intermediates, the one nearest the root last. Read as "" when the file is missing. */
  chain: string;
  /** PEM; secret. Read as "" when the file is missing. */
  key: string;
  /** Of both files, "0640". */
  mode: string;
  /** Of both files, "root:prosody". */
  owner: string;
  /** Always true: the running server has loaded these files. Read as false when a change was cut off half-way. */
  live: boolean;
}

export interface CertificateState extends CertificateInputs {
  /** End of validity of the leaf that is on the host, ISO 8601; "" when the file holds no certificate. */
  expires: string;
  /** SHA-256 of what the stack wrote last: any other content is somebody else's and is archived before it goes. */
  written: { chain: string; key: string };
}

/**
 * Puts a certificate and its key on the host and has the running server load them, clients staying connected.
 * What others put there, and what is deleted, is kept in /var/backups/prosody-pulumi.
 */
export class Certificate extends ProsodyResource<CertificateInputs> {
  declare readonly expires: pulumi.Output<string>;

  constructor(
    name: string,
    args: Omit<InputsOf<CertificateInputs>, "live">,
    options?: pulumi.CustomResourceOptions,
  ) {
    super("Certificate", name, { ...args, live: true }, ["expires", "written"], ["key"], options);
  }
}

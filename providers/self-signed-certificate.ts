import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** A certificate that the host makes itself, for trials. */
export interface SelfSignedCertificateInputs extends Common {
  domain: string;
  /** Names on it, sorted. */
  names: string[];
  /** Always "". Read as what is wrong: it ends soon, the key is another's, others may read it, somebody else's, not loaded. */
  flaw: string;
  /**
   * SHA-256 of its file, hexadecimal; carried forward from the state, so that a preview of a repair knows it. Never
   * set by the program.
   */
  certificate?: string;
}

export interface SelfSignedCertificateState extends SelfSignedCertificateInputs {
  /** End of validity, ISO 8601. */
  expires: string;
  certificate: string;
}

/** Keeps a self-signed certificate with the same key for as long as it is good. */
export class SelfSignedCertificate extends ProsodyResource<SelfSignedCertificateInputs> {
  declare readonly expires: pulumi.Output<string>;
  declare readonly certificate: pulumi.Output<string>;

  constructor(
    name: string,
    args: Omit<InputsOf<SelfSignedCertificateInputs>, "flaw" | "certificate">,
    options?: pulumi.CustomResourceOptions,
  ) {
    super("SelfSignedCertificate", name, { ...args, flaw: "" }, ["expires", "certificate"], [], options);
  }
}

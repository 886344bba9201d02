import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** The certificate of one virtual host, which the host gets from an authority and renews by itself (RFC 8555). */
export interface AcmeCertificateInputs extends Common {
  /** Virtual host; certbot's name of the certificate, too. */
  domain: string;
  /** Names on the certificate, sorted. */
  names: string[];
  email: string;
  /** URL of the authority's directory. */
  directory: string;
  /** PEM: whom to trust for the directory besides public authorities; "" for nobody. Read from the host. */
  ca: string;
  /** Text of the script that brings a renewed certificate to Prosody and coturn. */
  hook: string;
  /** Always true: Prosody has the certificate that certbot has. Read as false when a renewal did not get that far. */
  deployed: boolean;
  /** Always "". Read as what is wrong when the certificate was not renewed in time. */
  overdue: string;
  /**
   * SHA-256 of the chain that Prosody has, hexadecimal; carried forward from the state, so that a preview of a repair
   * knows it. Never set by the program.
   */
  certificate?: string;
}

export interface AcmeCertificateState extends AcmeCertificateInputs {
  /** End of validity, ISO 8601. */
  expires: string;
  certificate: string;
  /** certbot had it before the stack, so a destroy leaves it there. */
  adopted: boolean;
  /** Names that an adopted one has for others on the host: they stay on it. A state of an older program has none. */
  others?: string[];
}

/** Keeps a certificate obtained, renewed and in service. A destroy archives it and does not revoke it. */
export class AcmeCertificate extends ProsodyResource<AcmeCertificateInputs> {
  declare readonly expires: pulumi.Output<string>;
  declare readonly certificate: pulumi.Output<string>;

  constructor(
    name: string,
    args: Omit<InputsOf<AcmeCertificateInputs>, "deployed" | "overdue" | "certificate">,
    options?: pulumi.CustomResourceOptions,
  ) {
    const inputs = { ...args, deployed: true, overdue: "" };
    super("AcmeCertificate", name, inputs, ["expires", "certificate", "adopted", "others"], [], options);
  }
}

import * as pulumi from "@pulumi/pulumi";
import type { Domain } from "../config/settings";
import { Certificate } from "../providers/certificate";

export interface CertificatesArgs {
  /** Name of the server in the stack config. */
  readonly server: string;
  readonly domains: readonly Domain[];
}

/** The certificate and key of every virtual host, where Prosody finds them. */
export class Certificates extends pulumi.ComponentResource {
  /** Domain → end of validity, ISO 8601. */
  readonly expires: pulumi.Output<Record<string, string>>;

  constructor(name: string, args: CertificatesArgs, options?: pulumi.ComponentResourceOptions) {
    super("prosody:index:Certificates", name, {}, options);
    const expires: Record<string, pulumi.Output<string>> = {};
    for (const { name: domain, certificate } of args.domains) {
      expires[domain] = new Certificate(
        domain,
        {
          server: args.server,
          domain,
          chain: [certificate.certificate, ...certificate.intermediates]
            .map((pem) => `${pem.trim()}\n`)
            .join(""),
          key: pulumi.secret(certificate.key.reveal()),
          mode: "0640",
          owner: "root:prosody",
        },
        { parent: this },
      ).expires;
    }
    this.expires = pulumi.all(expires);
    this.registerOutputs({ expires: this.expires });
  }
}

import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { certificateNames } from "../config/certificate-names";
import { certbotTimers, type Family } from "../config/family";
import type { CertificateSettings, Domain, Server } from "../config/settings";
import { AcmeCertificate } from "../providers/acme-certificate";
import { Certificate } from "../providers/certificate";
import { SelfSignedCertificate } from "../providers/self-signed-certificate";
import { Service } from "../providers/service";
import { renderCertbotHook } from "../templates/certbot-hook";
import { perServer } from "./names";
import { Part } from "./part";

interface CertificatesArgs {
  readonly server: Server;
  /** Family of the host's distribution. */
  readonly family: pulumi.Output<Family>;
}

/** What a virtual host's certificate is known by. */
interface Served {
  /** End of validity, ISO 8601. */
  expires: pulumi.Output<string>;
  /** SHA-256 of the chain, hexadecimal. */
  certificate: pulumi.Input<string>;
}

/** The certificate and key of every virtual host, where Prosody finds them: from files, an authority, or home-made. */
export class Certificates extends Part {
  /** Domain → end of validity, ISO 8601. */
  readonly expires: pulumi.Output<Record<string, string>>;
  /** Domain → SHA-256 of the chain that is on the host, hexadecimal. */
  readonly certificates: Record<string, pulumi.Input<string>>;

  constructor(name: string, args: CertificatesArgs, options?: pulumi.ComponentResourceOptions) {
    super("prosody:index:Certificates", name, options);
    const { server } = args;
    if (server.domains.some(({ acme }) => acme)) this.renewal(server.name, args.family);
    const served = server.domains.map((domain): [string, Served] => [
      domain.name,
      domain.acme
        ? this.fromAuthority(server, domain)
        : domain.certificate
          ? this.fromFiles(server.name, domain.name, domain.certificate)
          : this.selfSigned(server, domain),
    ]);
    this.expires = pulumi.all(Object.fromEntries(served.map(([domain, { expires }]) => [domain, expires])));
    this.certificates = Object.fromEntries(served.map(([domain, { certificate }]) => [domain, certificate]));
    this.registerOutputs({ expires: this.expires });
  }

  private fromFiles(server: string, domain: string, files: CertificateSettings): Served {
    const chain = [files.certificate, ...files.intermediates].map((pem) => `${pem.trim()}\n`).join("");
    const { expires } = new Certificate(
      domain,
      { server, domain, chain, key: pulumi.secret(files.key.reveal()), mode: "0640", owner: "root:prosody" },
      this.child,
    );
    return { expires, certificate: createHash("sha256").update(chain).digest("hex") };
  }

  private fromAuthority(server: Server, domain: Domain): Served {
    const { email, server: directory, ca = "" } = domain.acme!;
    return new AcmeCertificate(
      domain.name,
      {
        server: server.name,
        domain: domain.name,
        names: certificateNames(server, domain),
        email,
        directory,
        ca,
        hook: renderCertbotHook(domain.name),
      },
      this.child,
    );
  }

  private selfSigned(server: Server, domain: Domain): Served {
    const names = certificateNames(server, domain);
    const args = { server: server.name, domain: domain.name, names };
    return new SelfSignedCertificate(domain.name, args, this.child);
  }

  /** The timer of certbot that renews. */
  private renewal(server: string, family: pulumi.Output<Family>): void {
    new Service(
      perServer(server, "certbot"),
      { server, unit: family.apply((family) => certbotTimers[family]), enabled: true, active: true },
      this.child,
    );
  }
}

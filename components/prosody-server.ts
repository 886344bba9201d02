import * as pulumi from "@pulumi/pulumi";
import type { Server } from "../config/settings";
import { Accounts } from "./accounts";
import { Certificates } from "./certificates";
import { ProsodyConfig } from "./prosody-config";
import { ProsodyInstall } from "./prosody-install";

/** Community modules that Prosody itself lacks, and the resolver that it recommends. */
const packages = ["prosody-modules", "lua-unbound"];

/** A complete XMPP server on one host: everything that the stack config says of it. */
export class ProsodyServer extends pulumi.ComponentResource {
  /** Address of the host, as SSH reaches it. */
  readonly address: string;
  readonly virtualHosts: string[];
  /** Port of each service; `false` where it is switched off. */
  readonly ports: Server["ports"];
  /** Bare JIDs of the accounts that exist. */
  readonly accounts: string[];
  /** Virtual host → end of its certificate's validity, ISO 8601. */
  readonly certificatesExpire: pulumi.Output<Record<string, string>>;
  readonly prosodyVersion: pulumi.Output<string>;

  constructor(server: Server, options?: pulumi.ComponentResourceOptions) {
    const { name } = server;
    super("prosody:index:ProsodyServer", name, {}, options);

    const install = new ProsodyInstall(name, { server: name, packages }, { parent: this });
    const certificates = new Certificates(
      name,
      { server: name, domains: server.domains },
      { parent: this, dependsOn: install },
    );
    const config = new ProsodyConfig(
      name,
      { server, version: install.version },
      { parent: this, dependsOn: certificates },
    );
    const accounts = new Accounts(
      name,
      { server: name, jids: server.jids },
      { parent: this, dependsOn: config },
    );

    this.address = server.host.address;
    this.virtualHosts = server.domains.map((domain) => domain.name);
    this.ports = server.ports;
    this.accounts = accounts.jids;
    this.certificatesExpire = certificates.expires;
    this.prosodyVersion = install.version;
    this.registerOutputs({
      address: this.address,
      virtualHosts: this.virtualHosts,
      ports: this.ports,
      accounts: this.accounts,
      certificatesExpire: this.certificatesExpire,
      prosodyVersion: this.prosodyVersion,
    });
  }
}

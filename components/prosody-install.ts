import type * as pulumi from "@pulumi/pulumi";
import { communityPackages } from "../config/community";
import type { Family } from "../config/family";
import type { Server } from "../config/settings";
import { Package } from "../providers/package";
import { perServer } from "./names";
import { Part } from "./part";

interface ProsodyInstallArgs {
  readonly server: Server;
}

/** Every package that a complete server needs, from the distribution: side by side, so that they are one transaction. */
export class ProsodyInstall extends Part {
  /** Version of the installed Prosody, as the package manager says it: `13.0.1-1`. */
  readonly version: pulumi.Output<string>;
  /** Family of the host's distribution. */
  readonly family: pulumi.Output<Family>;

  constructor(name: string, { server }: ProsodyInstallArgs, options?: pulumi.ComponentResourceOptions) {
    super("prosody:index:ProsodyInstall", name, options);
    const install = (pkg: string, only: { when?: "selinux" } = {}) =>
      new Package(
        perServer(server.name, pkg),
        { server: server.name, package: pkg, ...only },
        // A server of databases may hold more than Prosody's by the time that Prosody leaves it.
        pkg === "postgresql" ? { ...this.child, retainOnDelete: true } : this.child,
      );
    const prosody = install("prosody");
    this.version = prosody.version;
    this.family = prosody.family;
    for (const pkg of packages(server)) install(pkg);
    // brings semanage, on Debian as on Fedora
    if (server.selinux !== "off")
      install("policycoreutils-python-utils", server.selinux === "require" ? {} : { when: "selinux" });
    this.registerOutputs({ version: this.version, family: this.family });
  }
}

/** Pure: those beside Prosody that a server needs on any host. */
function packages(server: Server): string[] {
  const { storage } = server;
  return [
    ...communityPackages(server),
    "lua-unbound", // the resolver that Prosody recommends
    ...databasePackages[storage.kind],
    ...(storage.kind === "postgresql" && storage.host === undefined ? ["postgresql"] : []),
    ...(server.domains.some(({ acme }) => acme) ? ["certbot"] : []),
    ...(server.turn.enabled ? ["coturn"] : []),
  ];
}

/** What Prosody reaches a database with; the client's programs are for backups. */
const databasePackages = {
  internal: [],
  sqlite: ["lua-dbi-sqlite3"],
  postgresql: ["lua-dbi-postgresql", "postgresql-client"],
};

import * as pulumi from "@pulumi/pulumi";
import { openPorts } from "../config/listeners";
import type { Server } from "../config/settings";
import { dnsRecords } from "../dns/records";
import { zoneText } from "../dns/zone-text";
import { Connection } from "../providers/connection";
import { Database } from "../providers/database";
import { TurnSecret } from "../providers/turn-secret";
import { passwordHash } from "../templates/options";
import { Accounts } from "./accounts";
import { Certificates } from "./certificates";
import { DnsRecords } from "./dns-records";
import { ExternalComponents } from "./external-components";
import { Hooks } from "./hooks";
import { Firewall, PortLabels } from "./host-access";
import { perServer, stackName } from "./names";
import { ProsodyConfig } from "./prosody-config";
import { ProsodyInstall } from "./prosody-install";
import { ProsodyModules } from "./prosody-modules";
import { Turn } from "./turn";

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
  /** Virtual host → its DNS records, as a fragment of a zone file. */
  readonly dnsZones: Record<string, string>;
  /** What was done about the host's firewall, in words. */
  readonly firewall: pulumi.Output<string>;
  /** What was done about SELinux, in words. */
  readonly selinux: pulumi.Output<string>;

  constructor(server: Server, options?: pulumi.ComponentResourceOptions) {
    const { name } = server;
    super("prosody:index:ProsodyServer", name, {}, options);

    const hooks = (when: "before" | "after", dependsOn: pulumi.Resource[]) => {
      const args = { server: name, host: server.host, hooks: server.hooks[when] };
      if (args.hooks.length === 0) return [];
      return [new Hooks(perServer(name, when), args, { parent: this, dependsOn })];
    };

    const before = hooks("before", []);
    const { address, port } = server.host;
    const connection = new Connection(
      name,
      { server: name, address: port === 22 ? address : `${address}:${port}`, stack: stackName() },
      { parent: this, dependsOn: before },
    );
    const { storage } = server;
    const install = new ProsodyInstall(name, { server }, { parent: this, dependsOn: connection });
    const database =
      storage.kind === "postgresql" && storage.host === undefined
        ? [
            new Database(
              perServer(name, storage.database),
              {
                server: name,
                database: storage.database,
                user: storage.user,
                password: pulumi.secret(storage.password.reveal()),
              },
              { parent: this, dependsOn: install },
            ),
          ]
        : [];
    const challenge = server.domains.some(({ acme }) => acme)
      ? [new Firewall(server, ["certbot"], { parent: this, dependsOn: connection })]
      : [];
    const certificates = new Certificates(
      name,
      { server, family: install.family },
      { parent: this, dependsOn: [install, ...challenge] },
    );
    const labels = new PortLabels(server, { parent: this, dependsOn: install });
    const external = new ExternalComponents(
      name,
      { server: name, components: server.components },
      { parent: this, dependsOn: [install, labels] },
    );
    const modules = new ProsodyModules(
      name,
      { server, version: install.version },
      { parent: this, dependsOn: install },
    );
    const turnSecret = server.turn.enabled
      ? new TurnSecret(perServer(name, "turn"), { server: name }, { parent: this, dependsOn: connection })
      : undefined;
    const config = new ProsodyConfig(
      name,
      { server, version: install.version, family: install.family, turnSecret: turnSecret?.secret },
      { parent: this, dependsOn: [certificates, external, labels, modules, ...database] },
    );
    // Ports are opened once Prosody serves them, beside what is left to do for its service and the accounts.
    const firewall = new Firewall(server, ["prosody", "coturn"], {
      parent: this,
      dependsOn: config.configuration,
    });
    const certificate = certificates.certificates[server.turn.domain]!;
    const calls = { parent: this, dependsOn: certificates };
    const turn = turnSecret
      ? [turnSecret, new Turn(name, { server, secret: turnSecret.secret, certificate }, calls)]
      : [];
    const accounts = new Accounts(
      name,
      { server: name, jids: server.jids, hash: passwordHash(server.options) },
      { parent: this, dependsOn: config.service },
    );
    // Last, so that nobody is sent to a server that is not there yet; and first to go.
    const records = dnsRecords(server);
    if (server.dns.provider !== "none")
      new DnsRecords(
        name,
        { server: name, dns: server.dns, sets: Object.values(records).flat() },
        { parent: this, dependsOn: [config, firewall] },
      );

    hooks("after", [
      ...[connection, install, labels, certificates, external, modules, config, ...turn, firewall, accounts],
    ]);

    this.address = server.host.address;
    this.virtualHosts = server.domains.map((domain) => domain.name);
    this.ports = openPorts(server);
    this.accounts = accounts.jids;
    this.certificatesExpire = certificates.expires;
    this.prosodyVersion = install.version;
    this.dnsZones = Object.fromEntries(
      Object.entries(records).map(([domain, sets]) => [domain, zoneText(domain, sets)]),
    );
    this.firewall = firewall.summary;
    this.selinux = labels.summary;
    this.registerOutputs({
      address: this.address,
      virtualHosts: this.virtualHosts,
      ports: this.ports,
      accounts: this.accounts,
      certificatesExpire: this.certificatesExpire,
      prosodyVersion: this.prosodyVersion,
      dnsZones: this.dnsZones,
      firewall: this.firewall,
      selinux: this.selinux,
    });
  }
}

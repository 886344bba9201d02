import type { Handler } from "../handler";
import { accountHandler } from "./account";
import { acmeCertificateHandler } from "./acme-certificate";
import { certificateHandler } from "./certificate";
import { communityModulesHandler } from "./community-modules";
import { configurationHandler } from "./configuration";
import { connectionHandler } from "./connection";
import { databaseHandler } from "./database";
import { dnsRecordSetHandler } from "./dns-record-set";
import { externalComponentHandler } from "./external-component";
import { firewallPortsHandler } from "./firewall-ports";
import { packageHandler } from "./package";
import { retiredHandler } from "./retired";
import { selfSignedCertificateHandler } from "./self-signed-certificate";
import { selinuxPortHandler } from "./selinux-port";
import { serviceHandler } from "./service";
import { turnSecretHandler } from "./turn-secret";
import { turnServerHandler } from "./turn-server";
import { webClientHandler } from "./web-client";

/** Every resource kind, by the name in its type `pulumi-nodejs:prosody:<kind>`. */
// biome-ignore lint/suspicious/noExplicitAny: each kind has its own inputs; the engine hands over plain objects.
export const handlers: Record<string, Handler<any, any, any>> = {
  Account: accountHandler,
  AcmeCertificate: acmeCertificateHandler,
  Certificate: certificateHandler,
  CommunityModules: communityModulesHandler,
  Configuration: configurationHandler,
  DnsRecordSet: dnsRecordSetHandler,
  ExternalComponent: externalComponentHandler,
  FirewallPort: retiredHandler,
  FirewallPorts: firewallPortsHandler,
  Connection: connectionHandler,
  Database: databaseHandler,
  Package: packageHandler,
  SelinuxPort: selinuxPortHandler,
  SelfSignedCertificate: selfSignedCertificateHandler,
  Service: serviceHandler,
  TurnSecret: turnSecretHandler,
  TurnServer: turnServerHandler,
  WebClient: webClientHandler,
};

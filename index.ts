import * as pulumi from "@pulumi/pulumi";
import { ProsodyServer } from "./components/prosody-server";
import { load } from "./config/load";

const settings = load();
for (const warning of settings.warnings) pulumi.log.warn(warning);

/** Name of the server → what people ask of it. */
export const servers = Object.fromEntries(
  settings.servers.map((server) => {
    const {
      address,
      virtualHosts,
      ports,
      accounts,
      certificatesExpire,
      prosodyVersion,
      dnsZones,
      firewall,
      selinux,
    } = new ProsodyServer(server);
    return [
      server.name,
      {
        address,
        virtualHosts,
        ports,
        accounts,
        certificatesExpire,
        prosodyVersion,
        dnsZones,
        firewall,
        selinux,
      },
    ];
  }),
);

import { ProsodyServer } from "./components/prosody-server";
import { load } from "./config/load";

/** Name of the server → what people ask of it. */
export const servers = Object.fromEntries(
  load().servers.map((server) => {
    const { address, virtualHosts, ports, accounts, certificatesExpire, prosodyVersion } = new ProsodyServer(
      server,
    );
    return [server.name, { address, virtualHosts, ports, accounts, certificatesExpire, prosodyVersion }];
  }),
);

import * as pulumi from "@pulumi/pulumi";
import type { Server } from "../config/settings";
import { Service } from "../providers/service";
import { TurnServer } from "../providers/turn-server";
import { isPrivate } from "../providers/turn-text";
import { renderTurnServer, turnPorts } from "../templates/turn";
import { perServer } from "./names";
import { Part } from "./part";

interface TurnArgs {
  readonly server: Server;
  /** Shared with Prosody. */
  readonly secret: pulumi.Input<string>;
  /** SHA-256 of the first virtual host's chain as it is on the host, hexadecimal. */
  readonly certificate: pulumi.Input<string>;
}

/** coturn: helps calls through NAT. */
export class Turn extends Part {
  constructor(name: string, args: TurnArgs, options?: pulumi.ComponentResourceOptions) {
    super("prosody:index:Turn", name, options);
    const { turn, host } = args.server;
    const server = args.server.name;
    const configuration = new TurnServer(
      perServer(server, "coturn"),
      {
        server,
        config: renderTurnServer(args.server),
        secret: args.secret,
        domain: turn.tls ? turn.domain : "",
        certificate: turn.tls ? args.certificate : "",
        ports: turnPorts(args.server),
      },
      this.child,
    );
    new Service(
      perServer(server, "coturn"),
      { server, unit: "coturn.service", enabled: true, active: true },
      { ...this.child, dependsOn: configuration },
    );
    configuration.addresses.apply((addresses) => {
      const isHidden =
        addresses?.length > 0 && addresses.every(isPrivate) && turn.externalAddress.length === 0;
      if (isHidden && !isLocal(host.address))
        pulumi.log.warn(
          `prosody:turn.externalAddress is missing: the host has private addresses only (${addresses.join(", ")}), so calls can't be relayed. Give its public address, or set prosody:turn to false.`,
          this,
        );
    });
    this.registerOutputs();
  }
}

/** A server that is reached by a private address is one for a private network. */
function isLocal(address: string): boolean {
  return /^[\d.]+$|:/.test(address) && isPrivate(address);
}

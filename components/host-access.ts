import * as pulumi from "@pulumi/pulumi";
import { type Listener, listeners } from "../config/listeners";
import type { Server } from "../config/settings";
import { FirewallPorts } from "../providers/firewall-ports";
import { SelinuxPort } from "../providers/selinux-port";
import { perServer } from "./names";
import { Part } from "./part";

/**
 * Labels that let Prosody bind its ports under SELinux, those on the loopback interface included. To be there before
 * Prosody opens a port, and until it has closed it.
 */
export class PortLabels extends Part {
  /** What was done, in words. */
  readonly summary: pulumi.Output<string>;

  constructor(server: Server, options?: pulumi.ComponentResourceOptions) {
    super("prosody:index:PortLabels", server.name, options);
    this.summary = server.selinux === "off" ? pulumi.output("off") : this.#label(server);
    this.registerOutputs({ summary: this.summary });
  }

  #label({ name: server, ...settings }: Server): pulumi.Output<string> {
    const required = settings.selinux === "require";
    const ports = listeners({ ...settings, name: server }).filter(({ program }) => program === "prosody");
    const labels = unique(ports.map(written)).map((port) => {
      const { mode, given } = new SelinuxPort(
        perServer(server, port),
        { server, port, required },
        this.child,
      );
      return pulumi.all([mode, given]).apply(([mode, given]) => ({ port, mode, given }));
    });
    return pulumi.all(labels).apply((all) => {
      const mode = all[0]?.mode ?? "disabled";
      const given = all.flatMap(({ port, given }) => (given ? [`${port} as ${given.label}`] : []));
      if (mode === "disabled" && !required) return "SELinux is off on the host; no port was labelled";
      const work = given.length > 0 ? `labelled ${given.join(", ")}` : "the policy's own labels are enough";
      return `${mode === "disabled" ? "off in the kernel" : mode}; ${work}`;
    });
  }
}

/** The public ports of some programs in the host's firewalld. */
export class Firewall extends Part {
  /** What was done, in words. */
  readonly summary: pulumi.Output<string>;

  /** @param programs the first of them is the component's name, but for Prosody, whose is the server's */
  constructor(
    server: Server,
    programs: readonly Listener["program"][],
    options?: pulumi.ComponentResourceOptions,
  ) {
    const [first] = programs;
    const name = first === "prosody" ? server.name : perServer(server.name, String(first));
    super("prosody:index:Firewall", name, options);
    const open = listeners(server).filter((each) => each.public && programs.includes(each.program));
    this.summary = server.firewall.mode === "off" ? pulumi.output("off") : this.#open(name, server, open);
    this.registerOutputs({ summary: this.summary });
  }

  #open(name: string, { name: server, firewall }: Server, open: Listener[]): pulumi.Output<string> {
    const https = open.find(({ service }) => service === "https");
    const forward = firewall.https443 && https ? [`443/tcp to ${https.port}`] : [];
    const ports = [...unique(open.map(written)), ...forward];
    if (ports.length === 0) return pulumi.output("no port is public");
    const list = ports.join(", ");
    const { enforced, effectiveZone, shut } = new FirewallPorts(
      name,
      {
        server,
        ports: Object.fromEntries(ports.map((port) => [port, "open" as const])),
        zone: firewall.zone,
        required: firewall.mode === "require",
      },
      this.child,
    );
    return pulumi.all([enforced, effectiveZone, shut]).apply(([enforced, zone, shut]) => {
      if (shut)
        void pulumi.log.warn(
          `${server}: zone ${zone} lets in ${list}, because SSH came in by it; zone ${shut}, by which the host reaches the Internet, does not let in all of them. Set prosody:firewall.zone to the zone by which users come.`,
          this,
        );
      if (enforced === "firewalld") return `firewalld lets in ${list} (zone ${zone})`;
      const problem =
        enforced === "stopped"
          ? `firewalld does not run; once it does, it lets in ${list} (zone ${zone})`
          : `the host has no firewalld; nothing was opened`;
      if (enforced)
        void pulumi.log.info(
          `${server}: ${problem}. Should anything else filter what reaches the host, let in ${list} there.`,
          this,
        );
      return problem;
    });
  }
}

const written = ({ port, lastPort, protocol }: Listener) =>
  `${port}${lastPort === undefined ? "" : `-${lastPort}`}/${protocol}`;

/** Two services may share a port on different interfaces. */
const unique = (ports: string[]) => [...new Set(ports)];

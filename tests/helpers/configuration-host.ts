import { readFileSync } from "node:fs";
import type { ConfigurationInputs, ConfigurationState } from "../../providers/configuration";
import { configurationHandler } from "../../providers/handlers/configuration";
import type { SshHost } from "../../providers/ssh/host";
import { type Distribution, distributions } from "./distribution";
import { open } from "./host";
import { type Certificate, certificate, type LabHost, lab, type Release } from "./lab";
import { connect, type Session } from "./xmpp";

export const main = "/etc/prosody/prosody.cfg.lua";
export const secrets = "/etc/prosody/secrets.cfg.lua";
/** A plugin directory with a module, `broken`, that fails when it is loaded. */
export const plugins = "/usr/local/lib/prosody/modules";
export const rooms = 'Component "conference.example.test" "muc"\n  restrict_room_creation = "local"\n';

/** What tests change of {@link inputs}. */
export interface Parts {
  modules?: string[];
  global?: string;
  hosts?: string;
  c2s?: number;
  secret?: string;
}

/** A small complete configuration, with a secrets file of its own. */
export function inputs({
  modules = [],
  global = "",
  hosts = rooms,
  c2s = 5222,
  secret = "s3cret",
}: Parts = {}) {
  const enabled = [
    "roster",
    "saslauth",
    "tls",
    "disco",
    "ping",
    "carbons",
    "smacks",
    "turn_external",
    "admin_shell",
    ...modules,
  ];
  const content = `
modules_enabled = { ${enabled.map((name) => `"${name}"`).join("; ")} }
c2s_ports = { ${c2s} }
component_ports = { 5347 }
certificates = "certs"
authentication = "internal_hashed"
log = { info = "/var/log/prosody/prosody.log"; error = "/var/log/prosody/prosody.err" }
${global}
Include "secrets.cfg.lua"
turn_external_host = "turn.example.test"
VirtualHost "example.test"
${hosts}`;
  const file = (text: string) => ({ content: text, mode: "0640", owner: "root", group: "prosody" });
  return {
    server: "test",
    files: { [main]: file(content) },
    secrets: { [secrets]: file(`turn_external_secret = "${secret}"\n`) },
    live: true,
  } satisfies ConfigurationInputs;
}

/** One that is checked well, and does not run. */
export const broken = inputs({ global: `plugin_paths = { "${plugins}" }`, modules: ["broken"] });

const alice = { jid: "alice@example.test", password: "Alice's" };

/** A lab host with the distribution's Prosody, for tests of its configuration without the engine. */
export class ConfigurationHost {
  /** What the last change came to. */
  state!: ConfigurationState;
  readonly #sessions: Session[] = [];

  private constructor(
    readonly machine: LabHost,
    readonly distribution: Distribution,
    /** For the handler. To be closed. */
    readonly connection: SshHost,
    readonly tls: Certificate,
  ) {}

  /** @param name unique among the test files */
  static async make(name: string, release: Release): Promise<ConfigurationHost> {
    const machine = await lab(`${name}-${release}`, { release });
    const tls = await certificate("example.test");
    const connection = await open(machine, {}, "test");
    const host = new ConfigurationHost(machine, distributions[release], connection, tls);
    await host.sh(host.distribution.install("prosody", "lua-unbound"));
    await host.putCertificate(readFileSync(tls.keyFile, "utf8"));
    await host.sh(`mkdir -p ${plugins}; echo 'error("no such luck")' > ${plugins}/mod_broken.lua`);
    return host;
  }

  /** The first configuration, and an account for {@link session}. */
  async create(): Promise<void> {
    this.state = await configurationHandler.create(this.connection, inputs());
    await this.sh(
      `printf '%s\\n%s\\n' "${alice.password}" "${alice.password}" | prosodyctl adduser ${alice.jid}`,
    );
  }

  async update(wanted: ConfigurationInputs): Promise<void> {
    this.state = await configurationHandler.update(this.connection, this.state, wanted);
  }

  bring(parts: Parts = {}): Promise<void> {
    return this.update(inputs(parts));
  }

  read(state = this.state): Promise<ConfigurationState | undefined> {
    return configurationHandler.read(this.connection, state);
  }

  async sh(script: string): Promise<string> {
    return (await this.machine.exec(script)).trim();
  }

  /** A command of Prosody's shell. */
  shell(command: string): Promise<string> {
    return this.sh(`prosodyctl shell '${command}'`);
  }

  pid(): Promise<string> {
    return this.sh("systemctl show prosody --property MainPID --value");
  }

  /** How often the server has loaded its configuration again. */
  reloads(): Promise<string> {
    return this.sh("grep -c 'Reloading configuration' /var/log/prosody/prosody.log || true");
  }

  /** Differs when any file of the configuration was touched. */
  fingerprint(): Promise<string> {
    return this.sh(
      "cd /etc/prosody; find . -type f -o -type l | sort | xargs stat -c '%n %i %y %a %U'; sha256sum prosody.cfg.lua",
    );
  }

  async listening(port: number): Promise<boolean> {
    return (await this.sh(`ss -Hltn sport = :${port}`)) !== "";
  }

  /** A connected client. Its end may be asked for again. */
  async session(port = 5222): Promise<Session> {
    const server = { address: this.machine.address, port, caFile: this.tls.caFile };
    const opened = await connect(server, alice);
    let ended: Promise<string> | undefined;
    const once = {
      end: () => {
        ended ??= opened.end();
        return ended;
      },
    };
    this.#sessions.push(once);
    return once;
  }

  /** Ends what a test left connected. */
  async endSessions(): Promise<void> {
    await Promise.all(this.#sessions.splice(0).map((open) => open.end()));
  }

  async putCertificate(key: string): Promise<void> {
    const chain =
      readFileSync(this.tls.certificateFile, "utf8") + readFileSync(this.tls.intermediateFile, "utf8");
    for (const [name, text] of [
      ["crt", chain],
      ["key", key],
    ])
      await this.connection.run(
        `f=/etc/prosody/certs/example.test.${name}; cat > $f; chgrp prosody $f; chmod 0640 $f`,
        { doing: "installing a certificate", input: text },
      );
  }
}

import { readFile } from "node:fs/promises";
import type { HostSettings } from "../../config/settings";
import type { AccountInputs } from "../../providers/account";
import type { RunOptions } from "../../providers/host";
import type { SshHost } from "../../providers/ssh/host";
import { type LoginResult, login } from "../../tools/login";
import { type Distribution, distributions } from "./distribution";
import { open } from "./host";
import { type Certificate, certificate, type LabHost, lab, type Release } from "./lab";

/** A virtual host whose passwords are hashed otherwise than Prosody does by default. */
export const stronger = "sha256.test";

const configuration = (adminSocket: string, hosts: string[]) => `
admin_socket = "${adminSocket}"
data_path = "/var/lib/prosody"
pidfile = "/run/prosody/prosody.pid"
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "pep", "mam", "offline", "admin_shell" }
log = { debug = "/var/log/prosody/prosody.log", "*syslog" }
certificates = "certs"
c2s_require_encryption = true
s2s_ports = {}
${hosts.map((host) => `VirtualHost "${host}"${host === stronger ? '\npassword_hash = "SHA-256"' : ""}`).join("\n")}
`;

/** Inputs of an account. @param jid the part before the @ */
export const account = (jid: string, password = "p", more: Partial<AccountInputs> = {}): AccountInputs => ({
  server: "server",
  jid: `${jid}@example.test`,
  exists: true,
  password,
  policy: "initial",
  ...more,
});

/** Inputs of one that must not exist. */
export const absent = (jid: string) => account(jid, undefined, { exists: false, password: undefined });

/** What {@link AccountHost.logIn} comes to. */
export const success = (jid: string) => ({ jid: `${jid}@example.test/login`, protocol: "TLSv1.3" });
export const refused = { error: "not-authorized" };

/** A lab host with the distribution's Prosody, for tests of accounts of example.test without the engine. */
export class AccountHost {
  /** For handlers. To be closed. */
  connection!: SshHost;
  /** Where clients connect to. */
  readonly clients: { address: string; port: number; caFile: string };
  /** What the last script got as its input. */
  sent = "";
  #trips = 0;

  private constructor(
    readonly host: LabHost,
    readonly distribution: Distribution,
    tls: Certificate,
  ) {
    this.clients = { address: host.address, port: 5222, caFile: tls.caFile };
  }

  /** @param name unique among the test files */
  static async make(name: string, release: Release): Promise<AccountHost> {
    const host = await lab(`${name}-${release}`, { release, sudoPassword: true });
    const tls = await certificate("example.test");
    const prosody = new AccountHost(host, distributions[release], tls);
    const pem = async (...files: string[]) =>
      (await Promise.all(files.map((file) => readFile(file, "utf8")))).join("");
    const put = (file: string, content: string) =>
      `install -m 0640 -g prosody /dev/stdin /etc/prosody/certs/${file} <<'EOF'\n${content}EOF\n`;
    await host.exec(
      `${prosody.distribution.install("prosody")} >/dev/null\n` +
        put("example.test.crt", await pem(tls.certificateFile, tls.intermediateFile)) +
        put("example.test.key", await pem(tls.keyFile)),
    );
    await prosody.configure("example.test", "other.test");
    prosody.connection = await prosody.open();
    return prosody;
  }

  /** A connection whose round trips are counted. To be closed. */
  async open(more?: Partial<HostSettings>): Promise<SshHost> {
    const opened = await open(this.host, more, "server");
    const run = opened.run.bind(opened);
    opened.run = (script: string, options: RunOptions) => {
      this.#trips++;
      this.sent = String(options.input);
      return run(script, options);
    };
    return opened;
  }

  /** Does something, and counts its round trips to the host. */
  async counted<T>(action: () => Promise<T>): Promise<[trips: number, result: T]> {
    const before = this.#trips;
    const result = await action();
    return [this.#trips - before, result];
  }

  /** Restarts Prosody with these virtual hosts and no others. */
  async configure(...hosts: string[]): Promise<void> {
    const text = configuration(this.distribution.adminSocket, hosts);
    await this.host.exec(`cat > /etc/prosody/prosody.cfg.lua <<'EOF'\n${text}\nEOF`);
    await this.start();
  }

  /** Restarts Prosody, and waits until clients and its shell can connect. */
  async start(): Promise<void> {
    await this.host.exec(
      "systemctl reset-failed prosody; systemctl restart prosody; " +
        "for i in $(seq 100); do ss -ltn | grep -q :5222 && ss -lx | grep -q prosody.sock && break; sleep .1; done",
    );
  }

  /** Runs a script through the connection, so that what was read before is not shared with what is read next. */
  byHand(script: string) {
    return this.connection.run(script, { doing: "changing by hand", changes: true });
  }

  /** @param jid the part before the @ */
  logIn(jid: string, password: string): Promise<LoginResult> {
    return login(this.clients, { jid: `${jid}@example.test`, password });
  }

  /** Names of the archives that deletions of an account left. @param jid the part before the @ */
  async archives(jid: string): Promise<string[]> {
    const find = `find /var/backups/prosody-pulumi -name '${jid}@example.test-*' -printf '%f\\n' 2>&- || true`;
    return (await this.host.exec(find)).split("\n").filter(Boolean);
  }

  /** Files of an account among Prosody's data. @param name as Prosody writes it in names of files */
  async files(name: string): Promise<string[]> {
    const found = await this.host.exec(`cd /var/lib/prosody && find . -name '${name}.*' | sort`);
    return found.split("\n").filter(Boolean);
  }
}

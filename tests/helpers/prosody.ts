import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import { communityModules } from "../../config/community";
import { ownModules } from "../../config/own-modules";
import type { Server } from "../../config/settings";
import { paths, renderConfiguration } from "../../templates/render";
import { type Distribution, distributions } from "./distribution";
import { type Certificate, certificate, type LabHost, lab, type Release } from "./lab";

/** What a running Prosody says of itself, by Lua inside it: nothing of it has gone through the renderer. */
const inspect = `
local json = require "util.json"
local config, mm = require "core.configmanager", require "core.modulemanager"
local out = { ports = {}, global = {}, hosts = {}, options = {}, ofHost = {} }
for name, list in pairs(require "core.portmanager".get_active_services().data) do
  for _, ports in pairs(list) do for port in pairs(ports) do out.ports[name] = port end end
end
for name in pairs(mm.get_modules("*")) do table.insert(out.global, name) end
for host in pairs(prosody.hosts) do
  out.hosts[host] = {}
  for name in pairs(mm.get_modules(host)) do table.insert(out.hosts[host], name) end
end
for name, value in pairs(config.getconfig()["*"]) do out.options[name] = value end
for name in pairs(rawget(config.getconfig(), "example.test")) do table.insert(out.ofHost, name) end
local file = io.open("/var/lib/prosody/inspected.json", "w")
file:write(json.encode(out)) file:close()
return "done"
`;

interface Inspected {
  ports: Record<string, number>;
  /** Modules that are loaded once, for no host. */
  global: string[];
  hosts: Record<string, string[]>;
  options: Record<string, unknown>;
  /** Names of the options that are set under example.test, not globally. */
  ofHost: string[];
}

/** A lab host with the distribution's Prosody, to be started with rendered configurations one after the other. */
export class RenderedProsody {
  #hasCommunityPackage = false;

  private constructor(
    readonly host: LabHost,
    readonly distribution: Distribution,
    readonly tls: Certificate,
  ) {}

  /** @param name unique among the test files */
  static async make(name: string, release: Release): Promise<RenderedProsody> {
    const host = await lab(`${name}-${release}`, { release });
    const names = ["example.test", "xn--bcher-kva.test"].flatMap((domain) => [domain, `*.${domain}`]);
    const prosody = new RenderedProsody(
      host,
      distributions[release],
      await certificate("example.test", { names }),
    );
    await prosody.#install("prosody", "lua-unbound", "openssl");
    const { certificateFile, intermediateFile, keyFile } = prosody.tls;
    const chain = (await readFile(certificateFile, "utf8")) + (await readFile(intermediateFile, "utf8"));
    await host.exec(
      [
        write("/etc/prosody/certs/example.test.crt", chain),
        write("/etc/prosody/certs/example.test.key", await readFile(keyFile, "utf8")),
        "cd /etc/prosody/certs; for end in crt key; do cp example.test.$end xn--bcher-kva.test.$end; done",
        "chown root:prosody /etc/prosody/certs/*; chmod 0640 /etc/prosody/certs/*",
        write("/etc/prosody/inspect.lua", inspect),
      ].join("\n"),
    );
    return prosody;
  }

  /** Checks the files in a staging directory, puts them in place, and starts Prosody with them and no other data. */
  async start(settings: Server): Promise<{ check: string; inspected: Inspected; log: string }> {
    const { prosody, family } = this.distribution;
    const { files, secrets } = renderConfiguration(settings, prosody, family);
    if (communityModules(settings, prosody).needsPackage && !this.#hasCommunityPackage) {
      await this.#install("prosody-modules");
      this.#hasCommunityPackage = true;
    }
    const own = ownModules(settings);
    const staged = "/etc/prosody/.staged";
    const stage = Object.entries({ ...files, ...secrets }).map(([path, { content, mode, owner, group }]) => {
      const file = `${staged}/${path.replace("/etc/prosody/", "")}`;
      return `${write(file, content)}\nchown ${owner}:${group} ${file}; chmod ${mode} ${file}`;
    });
    const check = await this.host.exec(
      [
        `systemctl stop prosody; rm -rf ${staged} ${paths.secrets} /var/log/prosody/* /var/lib/prosody/*`,
        `mkdir ${staged}`,
        ...stage,
        ...Object.keys(own.files).map((file) => `mkdir -p ${posix.dirname(`${own.path}/${file}`)}`),
        ...Object.entries(own.files).map(([file, content]) => write(`${own.path}/${file}`, content)),
        `prosodyctl --config ${staged}/prosody.cfg.lua check config 2>&1`,
      ].join("\n"),
    );
    const inspected = await this.host.exec(
      [
        `mv ${staged}/* /etc/prosody/; systemctl reset-failed prosody; systemctl start prosody`,
        `for i in $(seq 100); do [ -S ${this.distribution.adminSocket} ] && break; sleep .1; done`,
        "echo '> return dofile(\"/etc/prosody/inspect.lua\")' | prosodyctl shell --quiet >/dev/null",
        "cat /var/lib/prosody/inspected.json",
      ].join("\n"),
    );
    const log = await this.host.exec("cat /var/log/prosody/* 2>/dev/null || true");
    return { check, inspected: JSON.parse(inspected), log };
  }

  /** Makes an account whose password is its JID: made up for tests, so it may be seen in the process list. */
  async addAccount(jid: string): Promise<void> {
    await this.host.exec(`printf '%s\\n%s\\n' '${jid}' '${jid}' | prosodyctl adduser '${jid}'`);
  }

  async #install(...packages: string[]): Promise<void> {
    await this.host.exec(this.distribution.install(...packages));
  }
}

function write(path: string, content: string): string {
  return `base64 -d > ${path} <<'END'\n${Buffer.from(content).toString("base64")}\nEND`;
}

import { readFile } from "node:fs/promises";
import { domainToUnicode } from "node:url";
import { features, type Release, resolveModules } from "../../config/features";
import { coreModules } from "../../config/module-names";
import { Secret } from "../../config/secret";
import type { LuaValue, Server } from "../../config/settings";
import { paths, renderConfiguration } from "../../templates/render";
import { server, variants } from "../fixtures/server";
import { expectGolden } from "../helpers/golden";
import { certificate, type LabHost, lab } from "../helpers/lab";

/** What a running Prosody says of itself, by Lua inside it: nothing of it has gone through our own renderer. */
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
for _, host in ipairs { "example.test", "conference.example.test" } do
  out.ofHost[host] = {}
  for name in pairs(rawget(config.getconfig(), host) or {}) do table.insert(out.ofHost[host], name) end
end
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
  /** Names of the options that are set under a host, not globally. */
  ofHost: Record<string, string[]>;
}

describe.each<[Release, "trixie" | "bookworm"]>([
  ["13.0", "trixie"],
  ["0.12", "bookworm"],
])("the configuration on a real Prosody %s", (release, distribution) => {
  let host: LabHost;
  let hasCommunityPackage = false;

  const install = (name: string) =>
    host.exec(`DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends ${name} 2>&1`);

  const write = (path: string, content: string) =>
    `base64 -d > ${path} <<'END'\n${Buffer.from(content).toString("base64")}\nEND`;

  beforeAll(async () => {
    host = await lab(`render-${distribution}`, { release: distribution });
    await install("prosody lua-unbound openssl");
    const names = ["example.test", "*.example.test", "xn--bcher-kva.test", "*.xn--bcher-kva.test"];
    const { certificateFile, keyFile } = await certificate("example.test", { names });
    await host.exec(
      [
        write("/etc/prosody/certs/example.test.crt", await readFile(certificateFile, "utf8")),
        write("/etc/prosody/certs/example.test.key", await readFile(keyFile, "utf8")),
        "chown root:prosody /etc/prosody/certs/*; chmod 0640 /etc/prosody/certs/*",
        write("/etc/prosody/inspect.lua", inspect),
      ].join("\n"),
    );
  }, 300_000);

  /** Checks the files in a staging directory, puts them in place, and starts Prosody with them. */
  async function start(settings: Server): Promise<{ check: string; inspected: Inspected; log: string }> {
    const { files, secrets, needsCommunityPackage } = renderConfiguration(settings, release);
    if (needsCommunityPackage && !hasCommunityPackage) {
      await install("prosody-modules");
      hasCommunityPackage = true;
    }
    const staged = "/etc/prosody/.staged";
    const stage = Object.entries({ ...files, ...secrets }).map(([path, { content, mode, owner, group }]) => {
      const file = `${staged}/${path.replace("/etc/prosody/", "")}`;
      return `${write(file, content)}\nchown ${owner}:${group} ${file}; chmod ${mode} ${file}`;
    });
    const check = await host.exec(
      [
        `systemctl stop prosody; rm -rf ${staged} ${paths.secrets} /var/log/prosody/*; mkdir ${staged}`,
        ...stage,
        `prosodyctl --config ${staged}/prosody.cfg.lua check config 2>&1`,
      ].join("\n"),
    );
    const inspected = await host.exec(
      [
        `mv ${staged}/* /etc/prosody/; systemctl reset-failed prosody; systemctl start prosody`,
        `for i in $(seq 100); do [ -S ${paths.adminSocket} ] && break; sleep .1; done`,
        "echo '> return dofile(\"/etc/prosody/inspect.lua\")' | prosodyctl shell --quiet >/dev/null",
        "cat /var/lib/prosody/inspected.json",
      ].join("\n"),
    );
    const log = await host.exec("cat /var/log/prosody/* 2>/dev/null || true");
    return { check, inspected: JSON.parse(inspected), log };
  }

  test("brings the modules that the table of features counts as its own", async () => {
    const listed = await host.exec(
      "dpkg -L prosody | sed -nE 's#^/usr/lib/prosody/modules/([a-z0-9_]+/)?mod_([a-z0-9_]+)[.]lua$#\\2#p'",
    );
    expect(new Set(listed.trim().split("\n"))).toEqual(coreModules[release]);
  });

  const ordered = Object.entries(variants).sort(
    ([, a], [, b]) => Number(needsCommunity(a, release)) - Number(needsCommunity(b, release)),
  );

  test.each(ordered)(
    "%s: clean in the check, running as asked, nothing in the error log",
    async (name, settings) => {
      const { check, inspected, log } = await start(settings);
      expect(complaints(check)).toEqual([]);
      expect(inspected.ports).toEqual(wantedPorts(settings));
      expect(Object.keys(inspected.hosts).sort()).toEqual(wantedHosts(settings));
      expect(log.split("\n").filter((line) => /\t(warn|error)\t/.test(line))).toEqual([]);
      expect(log === "").toBe(settings.logging.file === false);

      const resolved = resolveModules(settings, release);
      const loaded = [...inspected.global, ...(inspected.hosts["example.test"] ?? [])];
      expect(resolved.global.filter((module) => !loaded.includes(module))).toEqual([]);
      for (const disabled of resolved.disabled) expect(loaded).not.toContain(disabled);
      if (settings.conference.enabled)
        expect(inspected.hosts[`${settings.conference.subdomain}.example.test`]).toEqual(
          expect.arrayContaining(["muc", ...resolved.rooms]),
        );

      for (const [option, value] of Object.entries(settings.options))
        expect([option, inspected.options[option]]).toEqual([option, inClear(value)]);
      expect(inspected.ofHost["example.test"]).toEqual(["defined"]);
      if (name === "default")
        expectGolden(
          `${release}/default/loaded.json`,
          `${JSON.stringify(sorted(inspected.hosts), null, 2)}\n`,
        );
    },
    60_000,
  );

  test("the minimum of TLS holds on every port for clients and servers", async () => {
    const outcome = async (port: number, version: string, starttls = "") => {
      const stdout = await host.exec(
        `openssl s_client -connect 127.0.0.1:${port} -servername example.test ${version} ${starttls} ` +
          "-cipher DEFAULT@SECLEVEL=0 -brief </dev/null 2>&1 || true",
      );
      return /Protocol version: (\S+)/.exec(stdout)?.[1] ?? "refused";
    };
    const all = async (version: string) =>
      Promise.all([
        outcome(5222, version, "-starttls xmpp -xmpphost example.test"),
        outcome(5223, version),
        outcome(5269, version, "-starttls xmpp-server -xmpphost example.test"),
        outcome(5270, version),
        outcome(5281, version),
      ]);
    await start(server());
    expect([...new Set(await all("-tls1_1"))]).toEqual(["refused"]);
    expect([...new Set(await all("-tls1_2"))]).toEqual(["TLSv1.2"]);
    await start(server({ tls: { minimum: "1.3" } }));
    expect([...new Set(await all("-tls1_2"))]).toEqual(["refused"]);
    expect([...new Set(await all("-tls1_3"))]).toEqual(["TLSv1.3"]);
  }, 120_000);
});

function needsCommunity(settings: Server, release: Release): boolean {
  return resolveModules(settings, release).needsCommunityPackage;
}

/** What the check says beyond "all is well": the names of the files and the hint that more features are possible go. */
function complaints(check: string): string[] {
  const usual = [
    /^Checking config\.\.\.$/,
    /^ {4}The following configuration files have been loaded:$/,
    /^ {6}- {2}\/etc\/prosody\/\.staged\/(prosody|secrets)\.cfg\.lua$/,
    /^ {4}Some of your hosts may be missing features due to a lack of configuration\.$/,
    /^ {4}For more details, use the 'prosodyctl check features' command\.$/,
    /^Done\.$/,
    /^All checks passed, congratulations!$/,
    /^$/,
  ];
  return check.split("\n").filter((line) => !usual.some((pattern) => pattern.test(line)));
}

function wantedPorts({ ports, proxy65 }: Server): Record<string, number> {
  const services = {
    c2s: ports.clientStarttls,
    c2s_direct_tls: ports.clientDirectTls,
    s2s: ports.server,
    s2s_direct_tls: ports.serverDirectTls,
    https: ports.https,
    proxy65: proxy65.enabled && ports.proxy65,
  };
  return Object.fromEntries(
    Object.entries(services).filter((entry): entry is [string, number] => entry[1] !== false),
  );
}

function wantedHosts({ domains, conference, upload, proxy65, ports, disabledModules }: Server): string[] {
  return domains
    .map(({ name }) => domainToUnicode(name))
    .flatMap((name) => [
      name,
      ...(conference.enabled ? [`${conference.subdomain}.${name}`] : []),
      ...(upload.enabled && ports.https !== false && !disabledModules.includes("http_file_share")
        ? [`${upload.subdomain}.${name}`]
        : []),
      ...(proxy65.enabled && ports.proxy65 !== false ? [`${proxy65.subdomain}.${name}`] : []),
    ])
    .sort();
}

function inClear(value: LuaValue): unknown {
  if (value instanceof Secret) return value.reveal();
  if (Array.isArray(value)) return value.map(inClear);
  if (typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inClear(item)]));
}

function sorted(hosts: Record<string, string[]>): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(hosts)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, modules]) => [name, modules.sort()]),
  );
}

test("every feature of the table is named once", () =>
  expect(new Set(features.map(({ module }) => module)).size).toBe(features.length));

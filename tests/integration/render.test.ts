import { domainToUnicode } from "node:url";
import { features } from "../../config/features";
import { coreModules } from "../../config/module-names";
import type { Release } from "../../config/release";
import { resolveModules } from "../../config/resolve-modules";
import { Secret } from "../../config/secret";
import type { LuaValue, Server } from "../../config/settings";
import { server, variants } from "../fixtures/server";
import { eachProsody } from "../helpers/distribution";
import { expectGolden } from "../helpers/golden";
import { RenderedProsody } from "../helpers/prosody";

describe.each(eachProsody)("the configuration on a real Prosody %s", (release, host) => {
  let prosody: RenderedProsody;

  beforeAll(async () => {
    prosody = await RenderedProsody.make("render", host);
  }, 300_000);

  test("brings the modules that the table of features counts as its own", async () => {
    const listed = await prosody.host.exec(
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
      const { check, inspected, log } = await prosody.start(settings);
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
      expect(inspected.ofHost).toEqual(["defined"]);
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
      const stdout = await prosody.host.exec(
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
    await prosody.start(server());
    expect([...new Set(await all("-tls1_1"))]).toEqual(["refused"]);
    expect([...new Set(await all("-tls1_2"))]).toEqual(["TLSv1.2"]);
    await prosody.start(server({ tls: { minimum: "1.3" } }));
    expect([...new Set(await all("-tls1_2"))]).toEqual(["refused"]);
    expect([...new Set(await all("-tls1_3"))]).toEqual(["TLSv1.3"]);
  }, 120_000);
});

function needsCommunity(settings: Server, release: Release): boolean {
  return resolveModules(settings, release).community.length > 0;
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
      ...(upload.enabled && !disabledModules.includes("http_file_share")
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

import { communityModules, communityPackages } from "../../../config/community";
import type { ModulesOrigin } from "../../../config/settings";
import { server } from "../../fixtures/server";

const hg = (revision = "81956bb99289aa"): ModulesOrigin => ({
  kind: "mercurial",
  source: "https://hg.example/modules/",
  revision,
});
const directory = (modules: Record<string, Record<string, string>>): ModulesOrigin => ({
  kind: "directory",
  path: "modules",
  modules,
});
const own = {
  own: { "mod_own/mod_own.lua": 'module:depends("base"); module:depends "ping"', "mod_own/x.lib.lua": "" },
  base: { "mod_base.lua": "" },
  ping: { "mod_ping.lua": "" },
  unused: { "mod_unused.lua": "" },
};

test("of the package, Prosody's release decides what is needed", () => {
  const settings = server({ extraModules: ["http_altconnect", "muc_moderation"] });
  expect(communityModules(settings, "0.12")).toMatchObject({
    source: "package",
    path: "",
    modules: ["cloud_notify", "muc_moderation", "vcard_muc"],
    needsPackage: true,
  });
  expect(communityModules(settings, "13.0").modules).toEqual(["muc_moderation"]);
  expect(communityModules(server(), "13.0").needsPackage).toBe(false);
});

test("a package is there where some release needs it", () => {
  expect(communityPackages(server())).toEqual(["prosody-modules"]);
  expect(communityPackages(server({ modules: ["mam"] }))).toEqual([]);
  expect(communityPackages(server({ modulesOrigin: hg() }))).toEqual(["mercurial"]);
  expect(communityPackages(server({ modules: ["own"], modulesOrigin: directory(own) }))).toEqual([]);
});

describe("the plugin directory", () => {
  const path = (origin: ModulesOrigin, extraModules: string[] = []) =>
    communityModules(server({ modulesOrigin: origin, extraModules }), "13.0").path;

  test("is another one for other code, and the same for one more module of a revision", () => {
    expect(path(hg())).toMatch(/^\/usr\/local\/lib\/prosody-pulumi\/81956bb99289-[0-9a-f]{8}$/);
    expect(path(hg(), ["x"])).toBe(path(hg()));
    expect(path(hg("81956bb99289ab"))).not.toBe(path(hg()));
    const other = { ...own, base: { "mod_base.lua": "x" } };
    expect(path(directory(own), ["own"])).not.toBe(path(directory(other), ["own"]));
    expect(path(directory(own))).toBe(path(directory({ ...own, unused: { "mod_unused.lua": "x" } })));
  });
});

test("of one's own directory, what is enabled goes there with what it needs, Prosody's own names included", () => {
  expect(
    communityModules(server({ modules: ["own", "muc_moderation"], modulesOrigin: directory(own) }), "13.0"),
  ).toMatchObject({
    source: "directory",
    files: {
      "mod_base.lua": "",
      "mod_own/mod_own.lua": own.own["mod_own/mod_own.lua"],
      "mod_own/x.lib.lua": "",
      "mod_ping.lua": "",
    },
    modules: ["base", "muc_moderation", "own", "ping"],
    overrides: ["ping"],
    needsPackage: true,
  });
});

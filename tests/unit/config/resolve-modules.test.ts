import { defaultModules } from "../../../config/features";
import type { Release } from "../../../config/release";
import { resolveModules } from "../../../config/resolve-modules";
import { roleModules, server } from "../../fixtures/server";

const usual =
  "tls saslauth disco roster smacks limits tls_reload carbons mam csi_simple cloud_notify pep vcard4 vcard_legacy bookmarks " +
  "private blocklist register invites invites_adhoc invites_register invitation_page ping time uptime version " +
  "server_contact_info dialback s2s_bidi websocket external_services admin_shell admin_adhoc";

describe("the default list", () => {
  test("needs no community module on 13.0", () => {
    const { global, rooms, disabled, report, community } = resolveModules(server(), "13.0");
    expect([...global].sort()).toEqual([...usual.split(" "), "account_activity", "http_altconnect"].sort());
    expect({ rooms, disabled, community }).toEqual({ rooms: ["muc_mam"], disabled: [], community: [] });
    expect(report).toEqual([
      { name: "web_client", outcome: "dropped", why: "`webClient` is off" },
      { name: "http_openmetrics", outcome: "dropped", why: "`metrics` is off" },
      { name: "vcard_muc", outcome: "built in", why: "chat rooms have avatars of their own accord" },
    ]);
  });

  test("takes push and the rooms' avatars from the community on 0.12", () => {
    const { global, rooms, report, community } = resolveModules(server(), "0.12");
    expect([...global].sort()).toEqual(usual.split(" ").sort());
    expect({ rooms, community }).toEqual({
      rooms: ["muc_mam", "vcard_muc"],
      community: ["cloud_notify", "vcard_muc"],
    });
    expect(report).toEqual([
      { name: "account_activity", outcome: "missing", why: "Prosody 0.12 does not have it" },
      { name: "http_altconnect", outcome: "missing", why: "Prosody 0.12 does not have it" },
      { name: "web_client", outcome: "dropped", why: "`webClient` is off" },
      { name: "http_openmetrics", outcome: "dropped", why: "`metrics` is off" },
    ]);
  });
});

describe.each<[Release, string[]]>([
  ["13.0", []],
  ["0.12", ["cloud_notify"]],
])("the old role's list on %s", (release, community) => {
  const resolved = resolveModules(server({ modules: roleModules }), release);

  test("enables what does its work today", () => {
    expect(resolved.global).toEqual([
      ..."roster saslauth tls dialback disco private vcard_legacy version uptime time ping pep register".split(
        " ",
      ),
      ..."blocklist smacks carbons mam csi_simple cloud_notify tls_reload external_services admin_shell".split(
        " ",
      ),
    ]);
    expect(resolved.rooms).toEqual(["muc_mam"]);
    expect(resolved.community).toEqual(community);
  });

  test("says of each old name what became of it", () =>
    expect(resolved.report.map(({ name, outcome, instead }) => [name, outcome, instead])).toEqual([
      ["vcard", "superseded", "vcard_legacy"],
      ["privacy_lists", "superseded", "blocklist"],
      ["blocking", "superseded", "blocklist"],
      ["proxy65", "component", undefined],
      ["smacks_offline", "built in", "smacks"],
      ["mam_muc", "renamed", "muc_mam"],
      ["csi", "built in", "csi_simple"],
      ["filter_chatstates", "superseded", "csi_simple"],
      ["throttle_presence", "superseded", "csi_simple"],
      ["http_upload", "component", "http_file_share"],
      ["omemo_all_access", "built in", "pep"],
      ["admin_shell", "kept", undefined],
    ]));
});

const resolve = (changes: Parameters<typeof server>[0], release: Release = "13.0") =>
  resolveModules(
    server({
      modules: ["tls", "saslauth", "disco", "admin_shell"],
      turn: { ...server().turn, enabled: false },
      ...changes,
    }),
    release,
  );

describe("external_services", () => {
  test("comes with TURN, whatever the list of modules is", () =>
    expect(resolve({ turn: server().turn }).global).toContain("external_services"));

  test("goes with it", () => {
    const { global, report } = resolve({ modules: [...server().modules] });
    expect(global).not.toContain("external_services");
    expect(report).toContainEqual({
      name: "external_services",
      outcome: "dropped",
      why: "`turn` is off",
    });
  });

  test("takes the place of turncredentials, which would need a secret that only the program has", () => {
    const extraModules = ["turncredentials"];
    expect(resolve({ turn: server().turn, extraModules }).global).not.toContain("turn_external");
    expect(resolve({ extraModules }).global).not.toContain("external_services");
  });

  test("stays where the user asks for it, to name other servers", () =>
    expect(resolve({ extraModules: ["external_services"] }).global).toContain("external_services"));
});

test("SASL2 is left out where its module ends each log-in", () => {
  const extraModules = ["sasl2", "sasl2_fast"];
  expect(resolve({ extraModules }, "0.12").community).toEqual([]);
  expect(resolve({ extraModules }, "13.0").community).toEqual(extraModules);
});

describe("the web client", () => {
  test("comes with webClient and brings its connection, whatever the list of modules is", () => {
    const { global, own } = resolve({ webClient: true });
    expect(global.slice(-2)).toEqual(["websocket", "web_client"]);
    expect(own).toEqual(["tls_reload", "web_client"]);
    expect(resolve({ extraModules: ["web_client"] }).own).toEqual(["tls_reload"]);
  });
});

describe("the page for invitations", () => {
  test.each(["invites", "mod_invites_register"])("goes with %s", (name) => {
    const { own, report } = resolveModules(server({ disabledModules: [name] }), "13.0");
    expect(own).toEqual(["tls_reload"]);
    expect(report).toContainEqual({
      name: "invitation_page",
      outcome: "dropped",
      why: "`invites` or `invites_register` is off",
    });
  });
});

test("tls_reload is there whatever the list of modules is, unless it is switched off", () => {
  expect(resolve({}).own).toEqual(["tls_reload"]);
  expect(resolve({ disabledModules: ["tls_reload"] }).own).toEqual([]);
});

describe("http_openmetrics", () => {
  const metrics = { enabled: true, addresses: [], network: undefined };

  test("comes with metrics, whatever the list of modules is, and goes with them", () => {
    expect(resolve({ metrics }).global).toContain("http_openmetrics");
    expect(resolve({ modules: [...server().modules] }).global).not.toContain("http_openmetrics");
  });

  test("stays where the user asks for it, with options of their own", () =>
    expect(resolve({ extraModules: ["http_openmetrics"] }).global).toContain("http_openmetrics"));
});

describe("extraModules", () => {
  test("an unknown name is taken as a community module, one of Prosody's is not", () =>
    expect(resolve({ extraModules: ["onions", "http_openmetrics"] }).community).toEqual(["onions"]));

  test("a module for rooms goes to the rooms", () => {
    const { global, rooms } = resolve({ extraModules: ["muc_limits", "muc_unique"] });
    expect({ global, rooms }).toEqual({
      global: ["tls", "saslauth", "disco", "admin_shell", "tls_reload", "muc_unique"],
      rooms: ["muc_limits"],
    });
  });

  test("the prefix mod_ goes, and a name given twice counts once", () => {
    const { global, report } = resolve({ extraModules: ["mod_motd", "motd"] });
    expect(global).toEqual(["tls", "saslauth", "disco", "admin_shell", "tls_reload", "motd"]);
    expect(report).toEqual([
      { name: "mod_motd", outcome: "renamed", instead: "motd", why: "names go without `mod_`" },
    ]);
  });

  test.each([
    ["auth_ldap", "dropped", "not for this list: `options: { authentication: ldap }`"],
    ["storage_sql", "dropped", "not for this list: `storage`"],
    ["posix", "built in", "every server does this unasked"],
    ["presence", "built in", "every server does this unasked"],
    ["compression", "dropped", "compression under encryption leaks what is said (XEP-0138)"],
  ])("%s is %s", (name, outcome, why) => {
    const { global, report } = resolve({ extraModules: [name] });
    expect(global).toEqual(["tls", "saslauth", "disco", "admin_shell", "tls_reload"]);
    expect(report).toEqual([{ name, outcome, why }]);
  });

  test("what became part of a release depends on the release", () => {
    expect(resolve({ extraModules: ["lastlog2"] }, "13.0").global).toContain("account_activity");
    expect(resolve({ extraModules: ["lastlog2"] }, "0.12").community).toEqual(["lastlog2"]);
  });
});

describe("clashes", () => {
  test("the default gives way to what was asked for", () => {
    const { global, report } = resolve({ modules: [...defaultModules], extraModules: ["csi_battery_saver"] });
    expect(global).toContain("csi_battery_saver");
    expect(global).not.toContain("csi_simple");
    expect(report).toContainEqual({
      name: "csi_simple",
      outcome: "clash",
      instead: "csi_battery_saver",
      why: "both decide what waits for an inactive client",
    });
  });
  test("of two that were asked for, the better one stays", () => {
    const { global } = resolve({ extraModules: ["csi_battery_saver", "csi_simple"] });
    expect(global).toEqual(["tls", "saslauth", "disco", "admin_shell", "tls_reload", "csi_simple"]);
  });
});

describe("disabledModules", () => {
  test("takes modules out of the list, by their old names too", () => {
    const { global, rooms } = resolve({
      modules: [...defaultModules],
      disabledModules: ["version", "mam_muc", "filter_chatstates"],
    });
    for (const gone of ["version", "csi_simple"]) expect(global).not.toContain(gone);
    expect(rooms).toEqual([]);
  });
  test("what Prosody loads unasked is disabled by name, and nothing else", () =>
    expect(resolve({ disabledModules: ["offline", "version"] }).disabled).toEqual(["offline"]));
  test("components are left out", () =>
    expect(resolve({ disabledModules: ["muc", "http_upload", "mod_proxy65"] }).withoutComponents).toEqual([
      "muc",
      "http_file_share",
      "proxy65",
    ]));
  test("what the server can't do without stays, and the report says why", () => {
    const { global, report } = resolve({ disabledModules: ["tls", "admin_shell"] });
    expect([...global].sort()).toEqual(["admin_shell", "disco", "saslauth", "tls", "tls_reload"]);
    expect(report).toEqual([
      { name: "tls", outcome: "kept", why: "nobody could log in: encryption is required" },
      { name: "admin_shell", outcome: "kept", why: "the stack's accounts and health checks go through it" },
    ]);
  });
  test("without s2s nothing for other servers is loaded", () => {
    const { global, disabled } = resolve({ modules: [...defaultModules], disabledModules: ["s2s"] });
    expect(disabled).toEqual(["s2s"]);
    for (const gone of ["dialback", "s2s_bidi"]) expect(global).not.toContain(gone);
  });
});

describe("what has no port or component is left out", () => {
  const { ports, conference } = server();
  test.each([
    [
      "https",
      { ports: { ...ports, https: false as const } },
      ["websocket", "http_altconnect"],
      "`ports.https` is off",
    ],
    [
      "other servers",
      { ports: { ...ports, server: false as const, serverDirectTls: false as const } },
      ["dialback", "s2s_bidi"],
      "no port for other servers is open",
    ],
    ["rooms", { conference: { ...conference, enabled: false } }, ["muc_mam"], "`conference` is off"],
  ])("%s", (_, changes, gone, why) => {
    const { global, rooms, report } = resolve({ modules: [...defaultModules], ...changes });
    for (const name of gone) {
      expect([...global, ...rooms]).not.toContain(name);
      expect(report).toContainEqual({ name, outcome: "dropped", why });
    }
  });
  test("one open port for other servers is enough", () => {
    const { global, disabled } = resolve({
      modules: [...defaultModules],
      ports: { ...ports, server: false },
    });
    expect(disabled).toEqual([]);
    expect(global).toContain("dialback");
  });
});

import { activation, type Step } from "../../../../providers/configuration/activation";
import { config, server, wanted } from "../../../fixtures/running-server";

describe("a changed option", () => {
  const changed = (host: string, option: string, digest = "new") =>
    config((model) => {
      model.options[host]![option] = digest;
    });
  const cases: [option: string, host: string, steps: Step[]][] = [
    ["log", "*", [["reload"], ["settle"]]],
    ["certificates", "*", [["reload"], ["settle"]]],
    ["c2s_direct_tls_ssl", "*", [["reload"], ["settle"]]],
    ["c2s_ports", "*", [["reload"], ["settle"]]],
    ["restrict_room_creation", "conference.example.test", reload(["conference.example.test", "muc"])],
    // Of an option that all hosts read, on all that have the module.
    ["c2s_require_encryption", "*", reload(["conference.example.test", "tls"], ["example.test", "tls"])],
    [
      "admins",
      "*",
      reload(["conference.example.test", "authz_internal"], ["example.test", "authz_internal"]),
    ],
    ["admins", "example.test", reload(["example.test", "authz_internal"])],
    // mam reads it, and is not loaded: it will read it when it is.
    ["archive_expires_after", "*", [["reload"], ["settle"]]],
    ["turn_external_port", "example.test", [["reload"], ["settle"]]],
    ["console_banner", "*", [["reload"], ["settle"]]],
    // Connections would be lost with c2s.
    ["c2s_timeout", "*", [["restart", "c2s_timeout changes"]]],
    ["storage", "conference.example.test", [["restart", "storage changes"]]],
    ["plugin_paths", "*", [["restart", "plugin_paths changes"]]],
    ["nobody_knows", "*", [["restart", "nobody_knows changes"]]],
    // A component has no sessions: it comes anew where a virtual host would need a restart.
    ["nobody_knows", "conference.example.test", cycle("conference.example.test")],
    ["component_module", "conference.example.test", cycle("conference.example.test")],
    [
      "component_secret",
      "conference.example.test",
      [["reload"], ["disconnect", "conference.example.test"], ["settle"]],
    ],
  ];
  test.each(cases)("%s of %s", (option, host, steps) => {
    expect(activation(server(), changed(host, option))).toEqual(steps);
  });

  test("that is taken out is a change, too", () => {
    const without = config((model) => {
      delete model.options["*"]!.log;
    });
    expect(activation(server(), without)).toEqual([["reload"], ["settle"]]);
  });

  test("that only the service is given, from systemd's credentials, is none", () => {
    expect(activation(server(), changed("*", "log", "?"))).toEqual([]);
  });

  test("of two readers, of which one holds connections, needs a restart", () => {
    const model = changed("*", "c2s_require_encryption");
    model.reads.c2s!.push("c2s_require_encryption");
    expect(activation(server(), model)).toEqual([["restart", "c2s_require_encryption changes"]]);
  });
});

function reload(...modules: [host: string, module: string][]): Step[] {
  return [["reload"], ...modules.map(([host, name]): Step => ["reloadModule", host, name]), ["settle"]];
}

function cycle(host: string): Step[] {
  return [["reload"], ["deactivate", host], ["activate", host], ["settle"]];
}

describe("a change that was cut off", () => {
  test("after the reload is made up for: some module may still have the old value", () => {
    const running = server(({ options }) => {
      options["conference.example.test"]!.restrict_room_creation = ["r1", "r0"];
    });
    expect(activation(running, wanted)).toEqual(reload(["conference.example.test", "muc"]));
  });

  test("and taken back is made up for as well", () => {
    const running = server(({ options }) => {
      options["conference.example.test"]!.restrict_room_creation = ["", "r1"];
    });
    const back = config((model) => {
      delete model.options["conference.example.test"]!.restrict_room_creation;
    });
    expect(activation(running, back)).toEqual(reload(["conference.example.test", "muc"]));
  });
});

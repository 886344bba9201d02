import { activation, type Step } from "../../../../providers/configuration/activation";
import { ailments } from "../../../../providers/configuration/health";
import type { Model, Running, RunningPort } from "../../../../providers/configuration/model";

/** A server that runs exactly its configuration: one virtual host, one component, a web server for uploads. */
const wanted: Model = {
  version: "13.0.1",
  hosts: {
    "example.test": { component: false, modules: ["admin_shell", "c2s", "carbons", "roster", "tls"] },
    "conference.example.test": { component: "muc", modules: ["muc", "tls"] },
  },
  options: {
    "*": { modules_enabled: "m1", log: "l1", c2s_ports: "p1", archive_expires_after: "a1" },
    "example.test": { defined: "d" },
    "conference.example.test": { component_module: "muc", restrict_room_creation: "r1" },
  },
  reads: {
    carbons: [],
    muc: ["restrict_room_creation", "name"],
    tls: ["c2s_require_encryption"],
    saslauth: ["c2s_require_encryption"],
    c2s: ["c2s_timeout", "c2s_ports"],
    roster: [],
    authz_internal: ["admins"],
    mam: ["archive_expires_after"],
    turn_external: ["turn_external_port"],
    admin_shell: ["certificates", "console_banner"],
  },
  ports: [],
  logs: [],
  problems: [],
  warnings: [],
};

const loaded = (...needs: string[]) => ({ needs });
const port = (number: number, address = "*"): RunningPort => ({ interface: address, port: number });

function server(change: (running: Running) => void = () => {}): Running {
  const running: Running = {
    version: "13.0.1",
    pid: 1,
    options: Object.fromEntries(
      Object.entries(wanted.options).map(([host, options]) => [
        host,
        Object.fromEntries(Object.entries(options).map(([name, digest]) => [name, [digest]])),
      ]),
    ),
    hosts: {
      "*": {
        type: "global",
        modules: { admin_shell: loaded(), c2s: loaded(), posix: loaded() },
        enabled: [],
      },
      "example.test": {
        type: "local",
        modules: {
          c2s: loaded(),
          carbons: loaded(),
          roster: loaded(),
          tls: loaded(),
          authz_internal: loaded(),
          storage_internal: loaded(),
        },
        enabled: ["carbons", "roster", "tls"],
      },
      "conference.example.test": {
        type: "component",
        modules: { muc: loaded("disco"), disco: loaded(), tls: loaded(), authz_internal: loaded() },
        enabled: ["carbons", "roster", "tls"],
      },
    },
    services: {
      c2s: { wanted: [port(5222), { ...port(5222, "::"), optional: true }], active: [port(5222)] },
    },
  };
  change(running);
  return running;
}

const config = (change: (model: Model) => void): Model => {
  const model = structuredClone(wanted);
  change(model);
  return model;
};

test("a server that runs its configuration needs nothing", () => {
  expect(activation(server(), wanted)).toEqual([]);
  expect(ailments(server(), wanted)).toEqual([]);
});

test("a server that does not answer is restarted", () => {
  expect(activation(undefined, wanted)).toEqual([["restart", "its admin socket does not answer"]]);
});

test("a server of another version than the installed one is restarted", () => {
  const running = server((now) => {
    now.version = "0.12.3";
  });
  expect(activation(running, wanted)).toEqual([["restart", "Prosody 13.0.1 is installed"]]);
});

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

describe("hosts", () => {
  test("that come are activated after the reload, parents first", () => {
    const model = config(({ hosts, options }) => {
      hosts["archive.example.org"] = { component: "http_file_share", modules: ["http_file_share"] };
      hosts["example.org"] = { component: false, modules: ["c2s"] };
      options["archive.example.org"] = { component_module: "u", unknown_option: "1" };
      options["example.org"] = { defined: "d" };
    });
    expect(activation(server(), model)).toEqual([
      ["reload"],
      ["activate", "example.org"],
      ["activate", "archive.example.org"],
      ["settle"],
    ]);
  });

  test("that go are deactivated, with what only they needed", () => {
    const running = server(({ hosts }) => {
      hosts["*"]!.modules = { ...hosts["*"]!.modules, proxy65: loaded("disco"), http: loaded() };
      hosts["proxy.example.test"] = {
        type: "component",
        modules: { proxy65: loaded(), http: loaded(), storage_internal: loaded() },
        enabled: [],
      };
      hosts["proxy.example.test"].modules.proxy65!.needs = ["http"];
    });
    expect(activation(running, wanted)).toEqual([
      ["deactivate", "proxy.example.test"],
      ["unload", "*", "http"],
      ["unload", "*", "proxy65"],
    ]);
  });

  test("that are configured but not active are activated without a reload", () => {
    const running = server(({ hosts }) => {
      delete hosts["example.test"];
    });
    expect(activation(running, wanted)).toEqual([["activate", "example.test"]]);
    expect(ailments(running, wanted)).toEqual(["example.test is not active"]);
  });
});

describe("modules", () => {
  test("that come and go are loaded and unloaded on each host", () => {
    const model = config(({ hosts, options }) => {
      options["*"]!.modules_enabled = "m2";
      hosts["example.test"]!.modules = ["admin_shell", "c2s", "mam", "roster", "tls"];
    });
    expect(activation(server(), model)).toEqual([
      ["reload"],
      ["unload", "example.test", "carbons"],
      ["load", "example.test", "mam"],
      ["settle"],
    ]);
  });

  test("that another one needs stay", () => {
    const running = server(({ hosts }) => {
      hosts["example.test"]!.modules.roster!.needs = ["carbons"];
    });
    const model = config(({ hosts }) => {
      hosts["example.test"]!.modules = ["admin_shell", "c2s", "roster", "tls"];
    });
    expect(activation(running, model)).toEqual([]);
  });

  test("go with what came because of them", () => {
    const running = server(({ hosts }) => {
      hosts["example.test"]!.modules.carbons!.needs = ["http"];
      hosts["example.test"]!.modules.http = loaded();
      hosts["*"]!.modules.http = loaded("http_errors");
      hosts["*"]!.modules.http_errors = loaded();
    });
    const model = config(({ hosts }) => {
      hosts["example.test"]!.modules = ["admin_shell", "c2s", "roster", "tls"];
    });
    expect(activation(running, model)).toEqual([
      ["unload", "example.test", "carbons"],
      ["unload", "example.test", "http"],
      ["unload", "*", "http"],
      ["unload", "*", "http_errors"],
    ]);
  });

  test("that somebody loaded by hand are left alone", () => {
    const running = server(({ hosts }) => {
      hosts["example.test"]!.modules.motd = loaded();
    });
    expect(activation(running, wanted)).toEqual([]);
  });

  test("go together with their options, even those that nobody may reload", () => {
    const running = server(({ hosts, options }) => {
      options["*"]!.http_max_content_size = ["h"];
      hosts["example.test"]!.modules.carbons!.needs = ["http"];
      hosts["example.test"]!.modules.http = loaded();
      hosts["*"]!.modules.http = loaded();
    });
    const model = config(({ hosts, reads }) => {
      hosts["example.test"]!.modules = ["admin_shell", "c2s", "roster", "tls"];
      reads.http = ["http_max_content_size"];
    });
    expect(activation(running, model)).toEqual([
      ["reload"],
      ["unload", "example.test", "carbons"],
      ["unload", "example.test", "http"],
      ["unload", "*", "http"],
      ["settle"],
    ]);
  });

  test("that carry the connections go by a restart", () => {
    const model = config(({ hosts }) => {
      hosts["example.test"]!.modules = ["admin_shell", "carbons", "roster", "tls"];
    });
    expect(activation(server(), model)).toEqual([["restart", "module c2s goes"]]);
  });

  test("that failed are loaded again, and named when they fail for good", () => {
    const running = server(({ hosts }) => {
      hosts["example.test"]!.modules.carbons!.failed = "Error during load (see log)";
    });
    expect(activation(running, wanted)).toEqual([["reloadModule", "example.test", "carbons"]]);
    expect(ailments(running, wanted)).toEqual([
      "module carbons on example.test says: Error during load (see log)",
    ]);
  });

  test("that are not loaded are an ailment", () => {
    const running = server(({ hosts }) => {
      delete hosts["example.test"]!.modules.carbons;
    });
    expect(activation(running, wanted)).toEqual([["load", "example.test", "carbons"]]);
    expect(ailments(running, wanted)).toEqual(["module carbons is not loaded on example.test"]);
  });

  test("shared by all hosts count as loaded on each", () => {
    const model = config(({ hosts }) => {
      hosts["example.test"]!.modules.push("posix");
    });
    expect(activation(server(), model)).toEqual([]);
  });
});

describe("ports", () => {
  const services = (change: Running["services"]) =>
    server((running) => Object.assign(running.services, change));

  test("are opened anew where they differ, all closed before any is opened", () => {
    const running = services({
      s2s: { wanted: [port(5270)], active: [port(5269)] },
      http: { wanted: [port(5269)], active: [port(5270)] },
      proxy65: { wanted: [], active: [port(5000)] },
    });
    expect(activation(running, wanted)).toEqual([
      ["close", "http"],
      ["close", "proxy65"],
      ["close", "s2s"],
      ["listen", "http"],
      ["listen", "proxy65"],
      ["listen", "s2s"],
    ]);
  });

  test("wait until modules are in order", () => {
    const running = services({ s2s: { wanted: [port(5270)], active: [] } });
    delete running.hosts["example.test"]!.modules.carbons;
    expect(activation(running, wanted)).toEqual([["load", "example.test", "carbons"]]);
  });

  test("that can't be opened are ailments; a host may have no IPv6", () => {
    const running = services({
      s2s: { wanted: [port(5269, "192.0.2.1")], active: [] },
      c2s: { wanted: [{ ...port(5222, "::"), optional: true }], active: [] },
      http: { wanted: [port(5280), port(5280, "::")], active: [port(5280)] },
    });
    expect(ailments(running, wanted)).toEqual([
      "c2s does not listen on port 5222 of ::",
      "http does not listen on port 5280 of ::",
      "s2s does not listen on port 5269 of 192.0.2.1",
    ]);
  });
});

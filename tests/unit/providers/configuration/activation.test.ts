import { activation } from "../../../../providers/configuration/activation";
import type { Running } from "../../../../providers/configuration/model";
import { config, loaded, port, server, wanted } from "../../../fixtures/running-server";

test("a server that does not answer is restarted", () => {
  expect(activation(undefined, wanted)).toEqual([["restart", "its admin socket does not answer"]]);
});

test("a server of another version than the installed one is restarted", () => {
  const running = server((now) => {
    now.version = "0.12.3";
  });
  expect(activation(running, wanted)).toEqual([["restart", "Prosody 13.0.1 is installed"]]);
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
});

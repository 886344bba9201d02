import { activation } from "../../../../providers/configuration/activation";
import { ailments } from "../../../../providers/configuration/health";
import { port, server, wanted } from "../../../fixtures/running-server";

test("a server that runs its configuration needs nothing", () => {
  expect(activation(server(), wanted)).toEqual([]);
  expect(ailments(server(), wanted)).toEqual([]);
});

describe("hosts", () => {
  test("that are configured but not active are activated without a reload", () => {
    const running = server(({ hosts }) => {
      delete hosts["example.test"];
    });
    expect(activation(running, wanted)).toEqual([["activate", "example.test"]]);
    expect(ailments(running, wanted)).toEqual(["example.test is not active"]);
  });
});

describe("modules", () => {
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
});

test("a virtual host without its authentication is an ailment", () => {
  const running = (users: string) =>
    server(({ hosts }) => {
      hosts["example.test"]!.users = users;
    });
  expect(ailments(running("ldap"), wanted)).toEqual([]);
  expect(activation(running("ldap"), wanted)).toEqual([]);
  expect(activation(running("null"), wanted)).toEqual([["authenticate", "example.test"]]);
  expect(ailments(running("null"), wanted)).toEqual([
    "nobody can log in to example.test, because its authentication did not load",
  ]);
});

describe("ports", () => {
  test("that can't be opened are ailments; a host may have no IPv6", () => {
    const running = server(({ services }) => {
      services.s2s = { wanted: [port(5269, "192.0.2.1")], active: [] };
      services.c2s = { wanted: [{ ...port(5222, "::"), optional: true }], active: [] };
      services.http = { wanted: [port(5280), port(5280, "::")], active: [port(5280)] };
    });
    expect(ailments(running, wanted)).toEqual([
      "c2s does not listen on port 5222 of ::",
      "http does not listen on port 5280 of ::",
      "s2s does not listen on port 5269 of 192.0.2.1",
    ]);
  });
});

import { thisMachine } from "../../../config/environment";
import { jsonSchema } from "../../../config/parse";
import { releases } from "../../../config/release";
import type { Server } from "../../../config/settings";
import { checks } from "../../../verify/checks";
import { expectedOf } from "../../../verify/expected";
import { domain, server as fixture } from "../../fixtures/server";

const sasl2 = ["sasl2", "sasl2_bind2", "sasl2_fast"];

/** A server with all services on, and all community modules that a check is for. */
const server = (changes: Partial<Server> = {}) =>
  fixture({ webClient: true, extraModules: ["muc_moderation", ...sasl2], ...changes });

/** What is not expected of a server, and why. */
function exceptions(settings: Server, release: "0.12" | "13.0" = "13.0") {
  const [expected] = expectedOf(settings, release);
  return Object.fromEntries(
    checks.flatMap((check) => {
      const expectation = check.expect(expected!);
      return expectation === "expected" ? [] : [[`${check.spec} ${check.name}`, expectation]];
    }),
  );
}

describe("what is expected", () => {
  test("of the default server is everything, of 0.12 all but what it lacks", () => {
    expect(exceptions(server())).toEqual({});
    expect(exceptions(server(), "0.12")).toEqual({
      "XEP-0388 Extensible SASL Profile": { notIn: "0.12" },
      "XEP-0386 Bind 2": { notIn: "0.12" },
      "XEP-0484 Fast Authentication Streamlining Tokens": { notIn: "0.12" },
      "XEP-0156 Discovering Alternative Connection Methods (HTTP)": { notIn: "0.12" },
    });
  });

  test.each<[what: string, change: Partial<Server>, off: Record<string, string>]>([
    [
      "no HTTPS",
      { ports: { ...server().ports, https: false }, upload: { ...server().upload, enabled: false } },
      {
        "XEP-0363 HTTP File Upload": "upload is off",
        "XEP-0363 HTTP File Upload from web pages (CORS)": "upload is off",
        "RFC 7395 WebSocket": "ports.https is false",
        "XEP-0156 Discovering Alternative Connection Methods (HTTP)": "ports.https is false",
        "RFC 7395 Client in the browser": "ports.https is false",
        "XEP-0401 An invited person makes the account in the browser": "ports.https is false",
      },
    ],
    [
      "no rooms",
      { conference: { ...server().conference, enabled: false } },
      Object.fromEntries(
        checks
          .filter(({ option, name }) => /conference|muc/.test(option) && name)
          .map(({ spec, name }) => [`${spec} ${name}`, "conference is off"]),
      ),
    ],
    [
      "no push",
      { disabledModules: ["cloud_notify"] },
      { "XEP-0357 Push Notifications": "without the module cloud_notify" },
    ],
    ["no web client", { webClient: false }, { "RFC 7395 Client in the browser": "webClient is off" }],
    [
      "no PEP",
      { disabledModules: ["pep"] },
      {
        "XEP-0163 Personal Eventing Protocol": "without the module pep",
        "XEP-0384 OMEMO Encryption": "without the module pep",
        "XEP-0402 PEP Native Bookmarks": "without the module pep",
        "XEP-0411 Bookmarks Conversion": "without the module pep",
        "XEP-0398 User Avatar to vCard-Based Avatars Conversion": "without the module pep",
      },
    ],
    [
      "no proxy",
      { proxy65: { ...server().proxy65, enabled: false } },
      { "XEP-0065 SOCKS5 Bytestreams (Proxy)": "proxy65 is off" },
    ],
    [
      "no STARTTLS",
      { ports: { ...server().ports, clientStarttls: false } },
      {
        "RFC 6120 Log-in over STARTTLS, with SCRAM": "ports.clientStarttls is false",
        "XEP-0388 Extensible SASL Profile": "ports.clientStarttls is false",
        "XEP-0386 Bind 2": "ports.clientStarttls is false",
        "XEP-0484 Fast Authentication Streamlining Tokens": "ports.clientStarttls is false",
      },
    ],
    [
      "open registration",
      { options: { allow_registration: true } },
      { "XEP-0077 Nobody makes an account without an invitation": "options.allow_registration is true" },
    ],
  ])("with %s", (_what, change, off) => {
    const expected = Object.fromEntries(Object.entries(off).map(([line, why]) => [line, { off: why }]));
    expect(exceptions(server(change))).toEqual(expected);
  });

  test.each<[extraModules: string[], off: Record<string, string>]>([
    [
      [],
      {
        "XEP-0388 Extensible SASL Profile": "without the module sasl2",
        "XEP-0386 Bind 2": "without the modules sasl2 and sasl2_bind2",
        "XEP-0484 Fast Authentication Streamlining Tokens": "without the modules sasl2 and sasl2_fast",
      },
    ],
    [
      ["sasl2"],
      {
        "XEP-0386 Bind 2": "without the module sasl2_bind2",
        "XEP-0484 Fast Authentication Streamlining Tokens": "without the module sasl2_fast",
      },
    ],
    [["sasl2", "sasl2_fast"], { "XEP-0386 Bind 2": "without the module sasl2_bind2" }],
  ])("of SASL2 with %j names each module that is missing", (extraModules, off) => {
    const expected = Object.fromEntries(Object.entries(off).map(([line, why]) => [line, { off: why }]));
    expect(exceptions(server({ extraModules: ["muc_moderation", ...extraModules] }))).toEqual(expected);
  });

  test.each(["csi_battery_saver", "csi_pump"])("of client state is the same with %s", (module) => {
    const extraModules = [...server().extraModules, module];
    expect(exceptions(server({ extraModules }))).toEqual({});
    expect(exceptions(server({ disabledModules: ["csi_simple"] }))).toEqual({
      "XEP-0352 Client State Indication": { off: "without the module csi_simple" },
    });
  });

  test("is told for each virtual host, with the names of its services as JIDs have them", () => {
    const hosts = expectedOf(
      server({ domains: [domain("example.test"), domain("xn--bcher-kva.test")] }),
      "13.0",
    );
    expect(
      hosts.map(({ domain, unicode, rooms, upload, proxy }) => ({ domain, unicode, rooms, upload, proxy })),
    ).toEqual([
      {
        domain: "example.test",
        unicode: "example.test",
        rooms: "conference.example.test",
        upload: "upload.example.test",
        proxy: "proxy.example.test",
      },
      {
        domain: "xn--bcher-kva.test",
        unicode: "bücher.test",
        rooms: "conference.bücher.test",
        upload: "upload.bücher.test",
        proxy: "proxy.bücher.test",
      },
    ]);
  });
});

describe("the checks", () => {
  test("have all tests of the public suites", () => {
    const count = (suite: string) =>
      checks.filter(({ suites }) => suites?.some((name) => name === suite)).length;
    expect({
      classic: count("classic"),
      current: count("current"),
      informational: count("informational"),
    }).toEqual({
      classic: 15,
      current: 21,
      informational: 4,
    });
  });

  test("have a name, a specification and a fix of their own", () => {
    expect(releases.length).toBeGreaterThan(0);
    expect(new Set(checks.map(({ spec, name }) => spec + name)).size).toBe(checks.length);
    for (const { spec, option } of checks) {
      expect(spec).toMatch(/^(XEP-\d{4}|RFC \d{4})$/);
      expect(option).toMatch(/^prosody:/);
    }
  });

  test("name options that there are", () => {
    const { properties } = jsonSchema(thisMachine());
    const named = checks.flatMap(({ option }) => [...option.matchAll(/prosody:(\w+)(?:\.(\w+))?/g)]);
    for (const [, section, option] of named) {
      const known = properties![section!];
      expect([section, known !== undefined]).toEqual([section, true]);
      if (option && known!.properties) expect(Object.keys(known!.properties)).toContain(option);
    }
  });
});

import { listeners, openPorts } from "../../../config/listeners";
import type { Server } from "../../../config/settings";
import { server, variants } from "../../fixtures/server";

/** Each listener as `service port/protocol`, with a star where others than the host can reach it. */
const listed = (changes: Partial<Server> = {}) =>
  listeners(server(changes)).map(
    (each) =>
      `${each.service} ${each.port}${each.lastPort ? `-${each.lastPort}` : ""}/${each.protocol}${each.public ? "*" : ""}`,
  );

const calls = [
  "turn 3478/udp*",
  "turn-tcp 3478/tcp*",
  "turnTls 5349/udp*",
  "turnTls-tcp 5349/tcp*",
  "turnRelay 49152-65535/udp*",
];

test("a default server has these", () => {
  expect(listed()).toEqual([
    "clientStarttls 5222/tcp*",
    "clientDirectTls 5223/tcp*",
    "server 5269/tcp*",
    "serverDirectTls 5270/tcp*",
    "https 5281/tcp*",
    "proxy65 5000/tcp*",
    "components 5347/tcp",
    ...calls,
  ]);
  expect(listeners(server())[0]).toEqual({
    service: "clientStarttls",
    port: 5222,
    protocol: "tcp",
    program: "prosody",
    public: true,
  });
});

test("the ports that are open are none of a service that is off", () => {
  const { turn, proxy65, ports } = server();
  expect(openPorts(server())).toEqual(ports);
  expect(
    openPorts(server({ turn: { ...turn, enabled: false }, proxy65: { ...proxy65, enabled: false } })),
  ).toEqual({ ...ports, proxy65: false, turn: false, turnTls: false });
});

test("a port that is off is not among them", () => {
  expect(listeners(variants["all ports off"]!)).toEqual([]);
  expect(listed({ ports: { ...server().ports, server: false } }).join()).not.toMatch(/server /);
});

test("a service whose module is not loaded opens no port", () => {
  expect(listed({ proxy65: { ...server().proxy65, enabled: false } }).join()).not.toMatch(/5000/);
  expect(listed({ disabledModules: ["mod_s2s", "proxy65"] })).toEqual([
    "clientStarttls 5222/tcp*",
    "clientDirectTls 5223/tcp*",
    "https 5281/tcp*",
    "components 5347/tcp",
    ...calls,
  ]);
});

test("coturn's go with it, and with its certificate", () => {
  const { turn, ports } = server();
  const listeningFor = (changes: Partial<Server>) => listed(changes).slice(7);
  expect(listeningFor({ turn: { ...turn, enabled: false } })).toEqual([]);
  expect(listeningFor({ turn: { ...turn, tls: false, relayPorts: { from: 50000, to: 50099 } } })).toEqual([
    ...calls.slice(0, 2),
    "turnRelay 50000-50099/udp*",
  ]);
  expect(listeningFor({ ports: { ...ports, turn: false } })).toEqual(calls.slice(2));
  expect(listeners(server()).filter(({ program }) => program === "coturn")).toHaveLength(5);
});

test.each<[string, Server["options"], string[]]>([
  ["plain HTTP is for the loopback interface", { http_ports: [5280] }, ["http 5280/tcp"]],
  ["unless it is told otherwise", { http_ports: 5280, http_interfaces: ["*", "::"] }, ["http 5280/tcp*"]],
  ["several ports", { http_ports: [5280, "8080", 5280] }, ["http 5280/tcp", "http-8080 8080/tcp"]],
  ["a community module's", { pubsub_mqtt_ports: [1883] }, ["pubsub_mqtt 1883/tcp*"]],
  ["what is no port", { http_ports: [], x_ports: ["a", 0, 65536, 1.5] }, []],
])("ports of options: %s", (_what, options, added) => {
  expect(listed({ options }).slice(12)).toEqual(added);
});

test.each<[string, Server["options"], string[]]>([
  ["HTTPS behind a proxy of the host", { https_interfaces: ["127.0.0.1", "::1"] }, ["https"]],
  ["one public address is enough", { https_interfaces: ["127.0.0.1", "203.0.113.5"] }, []],
  [
    "every service without interfaces of its own",
    { interfaces: ["127.0.0.1"], c2s_interfaces: ["*"] },
    ["clientDirectTls", "server", "serverDirectTls", "https", "proxy65"],
  ],
])("interfaces: %s", (_what, options, hidden) => {
  const loopback = listeners(server({ options })).filter((each) => !each.public);
  expect(loopback.map(({ service }) => service)).toEqual([...hidden, "components"]);
});

test("components may be public", () => {
  expect(listed({ options: { component_interfaces: ["*"] } })).toContain("components 5347/tcp*");
  expect(listed({ options: { local_interfaces: "10.0.0.1" } })).toContain("components 5347/tcp*");
});

test("external components are reachable at the interfaces that are chosen", () => {
  expect(listed({ componentInterfaces: ["127.0.0.1", "10.0.0.5"] })).toContain("components 5347/tcp*");
  expect(listed({ componentInterfaces: ["127.0.0.1"] })).toContain("components 5347/tcp");
});

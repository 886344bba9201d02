import { clientStreams, lockedOut } from "../../../../providers/configuration/client-streams";
import type { WantedPort } from "../../../../providers/configuration/model";
import { config } from "../../../fixtures/running-server";

const port = (service: string, address: string, number: number): WantedPort => ({
  service,
  interface: address,
  port: number,
});

const command = (ports: WantedPort[]) => clientStreams(config((model) => (model.ports = ports)));

test("virtual hosts are tried where clients connect, from the host itself", () => {
  expect(
    command([
      port("c2s_direct_tls", "*", 5223),
      port("s2s", "*", 5269),
      port("c2s", "*", 5222),
      port("c2s", "::", 5222),
      port("c2s", "192.0.2.1", 5222),
    ]),
  ).toBe(
    "client-streams\nport 127.0.0.1 5222 starttls\nport ::1 5222 starttls\nport 192.0.2.1 5222 starttls\n" +
      "port 127.0.0.1 5223 tls\nhost example.test\n",
  );
});

test("a server without ports or virtual hosts for clients is left alone", () => {
  expect(command([port("s2s", "*", 5269)])).toBeUndefined();
  const withoutClients = config((model) => {
    model.ports = [port("c2s", "*", 5222)];
    model.hosts["example.test"]!.modules = ["tls"];
  });
  expect(clientStreams(withoutClients)).toBeUndefined();
});

test("many virtual hosts are not all tried", () => {
  const many = config((model) => {
    model.ports = [port("c2s", "*", 5222)];
    for (let n = 0; n < 50; n++) model.hosts[`host${n}.test`] = { component: false, modules: ["c2s"] };
  });
  expect(clientStreams(many)!.match(/^host /gm)).toHaveLength(20);
});

test("what Prosody logged is told without its stack trace", () => {
  expect(lockedOut("")).toBeUndefined();
  expect(lockedOut("example.test\tTraceback[c2s]: /m/mod_x.lua:1: no such luck\nstack traceback:")).toEqual({
    host: "example.test",
    reason: "/m/mod_x.lua:1: no such luck",
  });
});

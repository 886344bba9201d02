import { callServices, renderTurnServer, turnPorts } from "../../../templates/turn";
import { domain, server } from "../../fixtures/server";
import { expectGolden } from "../../helpers/golden";

const { turn, ports } = server();

test("coturn's configuration", () => expectGolden("turnserver.conf", renderTurnServer(server())));

test("behind NAT, with fewer ports, without TLS", () => {
  const text = renderTurnServer(
    server({
      turn: {
        ...turn,
        externalAddress: ["203.0.113.5", "2001:db8::5"],
        relayPorts: { from: 1, to: 2 },
        tls: false,
      },
    }),
  );
  expect(text.split("\n").filter((line) => /^(external|min|max|no-d?tls$|tls|cert|pkey)/.test(line))).toEqual(
    ["no-tls", "no-dtls", "external-ip=203.0.113.5", "external-ip=2001:db8::5", "min-port=1", "max-port=2"],
  );
});

test("over TLS alone", () => {
  const settings = server({ ports: { ...ports, turn: false } });
  expect(renderTurnServer(settings)).toContain("\nno-udp\nno-tcp\ntls-listening-port=5349\n");
  expect(turnPorts(settings)).toEqual([5349]);
  expect(callServices(settings)).toEqual([
    {
      type: "turns",
      transport: "tcp",
      host: "turn.example.test",
      port: 5349,
      secret: true,
      algorithm: "turn",
    },
  ]);
});

test("clients of all virtual hosts are told of the one server, by its name in the DNS", () => {
  const settings = server({
    domains: [domain("xn--bcher-kva.test"), domain("example.test")],
    turn: { ...turn, domain: "xn--bcher-kva.test", tls: false },
  });
  expect(turnPorts(settings)).toEqual([3478]);
  expect(callServices(settings)).toEqual([
    { type: "stun", transport: "udp", host: "turn.xn--bcher-kva.test", port: 3478 },
    ...["udp", "tcp"].map((transport) => ({
      type: "turn",
      transport,
      host: "turn.xn--bcher-kva.test",
      port: 3478,
      secret: true,
      algorithm: "turn",
    })),
  ]);
});

import { spawnSync } from "node:child_process";
import { holderOf, listeningSockets, parseSockets } from "../../../../providers/facts/sockets";

const tcp = `LISTEN 0      511        127.0.0.1:443       0.0.0.0:*    users:(("nginx",pid=7,fd=6),("nginx",pid=8,fd=6))
LISTEN 0      128             [::]:22             [::]:*
LISTEN 0      511                *:5280              *:*    users:(("beam.smp",pid=9,fd=5))
/proc/7/cgroup:proxy.service
/proc/9/cgroup:user@0.service
/proc/9/cgroup:ejabberd.service
`;

test("each socket is told with its address, its port and all who have it", () =>
  expect(parseSockets(`config /etc/turnserver.conf\n${tcp}`)).toEqual([
    {
      protocol: "tcp",
      address: "127.0.0.1",
      port: 443,
      holders: [
        { program: "nginx", pid: 7, service: "proxy.service" },
        { program: "nginx", pid: 8, service: undefined },
      ],
    },
    { protocol: "tcp", address: "::", port: 22, holders: [] },
    {
      protocol: "tcp",
      address: "*",
      port: 5280,
      holders: [{ program: "beam.smp", pid: 9, service: "ejabberd.service" }],
    },
  ]));

test("the protocol is read where ss says it", () =>
  expect(
    parseSockets("udp   UNCONN 0 0 192.0.2.1%eth0:68 0.0.0.0:*\ntcp   LISTEN 0 0 [::1]:53 [::]:*\n"),
  ).toMatchObject([
    { protocol: "udp", address: "192.0.2.1%eth0", port: 68 },
    { protocol: "tcp", address: "::1", port: 53 },
  ]));

test("who has it is named with the service, where that is known", () =>
  expect(parseSockets(tcp).map(holderOf)).toEqual([
    "nginx (proxy.service)",
    "another program",
    "beam.smp (ejabberd.service)",
  ]));

test("the command is one line, prints what ss says, and succeeds where no process has a service", () => {
  const command = listeningSockets("-Hltnp");
  expect(command).not.toContain("\n");
  const line = 'LISTEN 0 1 *:80 *:* users:(("x",pid=999999999,fd=3))';
  const { stdout, stderr, status } = spawnSync("sh", ["-c", `ss() { echo '${line}'; }; ${command}`], {
    encoding: "utf8",
  });
  expect({ stdout, stderr, status }).toEqual({ stdout: `${line}\n`, stderr: "", status: 0 });
});

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { coturn } from "../../../../providers/facts/coturn";

/** Runs the fact's own script here, with stand-ins for what it asks. */
function asked({ start = "", addresses = "", routes = "", net = "/sys/class/net" }) {
  const said = (name: string, text: string) => `${name}() { cat <<'END'\n${text}\nEND\n}\n`;
  const standIns = [
    said("systemctl", start),
    said("addresses", addresses),
    `ip() { case "$*" in *route*) echo '${routes}' ;; *) addresses ;; esac; }\n`,
    said("ss", ""),
    said("getent", ""),
  ];
  const { stdout } = spawnSync(
    "sh",
    ["-c", standIns.join("") + coturn.script.replaceAll("/sys/class/net", net)],
    { encoding: "utf8" },
  );
  return coturn.parse(stdout);
}

const start = (config: string) =>
  `{ path=/usr/bin/turnserver ; argv[]=/usr/bin/turnserver -c ${config} --pidfile= ; ignore_errors=no }`;

test.each(["/etc/turnserver.conf", "/etc/coturn/turnserver.conf"])(
  "the configuration is the one that the unit names, %s",
  (config) => expect(asked({ start: start(config) }).config).toBe(config),
);

test("without a unit, it is where there is one", () => expect(asked({}).config).toBe("/etc/turnserver.conf"));

test("temporary addresses and those that are no longer used are left out", () => {
  const line = (address: string, flags: string) =>
    `2: eth0    inet6 ${address} scope global ${flags} \\       valid_lft 6000sec preferred_lft 3000sec`;
  const addresses = [
    line("fd00::5/64", "dynamic mngtmpaddr"),
    line("fd00::1234/64", "temporary dynamic"),
    line("fd01::5/64", "temporary deprecated dynamic"),
    "2: eth0    inet 10.0.0.5/24 brd 10.0.0.255 scope global eth0\\       valid_lft forever",
  ].join("\n");
  expect(asked({ addresses }).addresses).toEqual(["10.0.0.5", "fd00::5"]);
});

test("bridges of containers are left out, those that lead out of the host or have a network card are not", () => {
  const net = mkdtempSync(join(tmpdir(), "prosody-net-"));
  const names = ["eth0", "docker0", "vmbr0", "br-lan", "br-bond"];
  const make = (path: string) => mkdirSync(join(net, path), { recursive: true });
  const port = (bridge: string, name: string) => {
    make(name);
    symlinkSync(`../${name}`, join(net, bridge, `lower_${name}`));
  };
  make("eth0/device");
  for (const bridge of names.slice(1)) make(`${bridge}/bridge`);
  port("docker0", "veth1");
  port("vmbr0", "tap1");
  make("eth1/device");
  port("br-lan", "eth1");
  port("br-bond", "bond0");
  make("eth2/device");
  port("bond0", "eth2");
  const addresses = names
    .map(
      (name, index) => `${index + 2}: ${name}    inet 10.0.${index}.1/24 brd 10.0.0.255 scope global ${name}`,
    )
    .join("\n");
  const found = asked({ addresses, net, routes: "default via 10.0.2.254 dev vmbr0 proto static" });
  rmSync(net, { recursive: true });
  expect(found.addresses).toEqual(["10.0.0.1", "10.0.2.1", "10.0.3.1", "10.0.4.1"]);
});

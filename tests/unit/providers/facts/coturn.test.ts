import { spawnSync } from "node:child_process";
import { coturn } from "../../../../providers/facts/coturn";

/** Runs the fact's own script here, with stand-ins for what it asks. */
function asked({ start = "", addresses = "" }) {
  const said = (name: string, text: string) => `${name}() { cat <<'END'\n${text}\nEND\n}\n`;
  const standIns = [said("systemctl", start), said("ip", addresses), said("ss", ""), said("getent", "")];
  const { stdout } = spawnSync("sh", ["-c", standIns.join("") + coturn.script], { encoding: "utf8" });
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

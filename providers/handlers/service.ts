import { isActive, service, starting, type Unit } from "../facts/service";
import type { Handler } from "../handler";
import type { Host } from "../host";
import type { ServiceInputs, ServiceState } from "../service";
import { sh } from "../ssh/quote";
import { wait } from "../wait";

/** Milliseconds until a started unit must be up. */
const patience = 60_000;

/** Milliseconds that the same process must run on to count as up: longer where it has no other sign of being ready. */
const settled = { handled: 200, unused: 1500, fatal: Number.POSITIVE_INFINITY };

/** A systemd unit: started at boot or not, running or not. */
export const serviceHandler: Handler<ServiceInputs, ServiceState> = {
  inputs: ["unit", "enabled", "active"],
  replaceOn: ["server", "unit"],

  id: ({ unit }) => unit,

  check: ({ unit }) =>
    /^[\w:.][\w:.\\@-]*$/.test(unit)
      ? []
      : [{ property: "unit", reason: `${JSON.stringify(unit)} is no unit.` }],

  async create(host, inputs) {
    const unit = await host.fact(service(inputs.unit));
    await bring(host, unit, inputs);
    return { ...inputs, before: { enabled: unit.enabled, active: isActive(unit) } };
  },

  async read(host, state) {
    const unit = await host.fact(service(state.unit));
    return { ...state, enabled: unit.enabled, active: isActive(unit) };
  },

  async update(host, state, inputs) {
    await bring(host, await host.fact(service(inputs.unit)), inputs);
    return { ...inputs, before: state.before };
  },

  /** What ran or was enabled before the stack stays so; what somebody stopped meanwhile is not started. */
  async delete(host, { unit: name, before }) {
    const unit = await host.fact(service(name));
    const script = commands(name, unit, {
      enabled: before.enabled && unit.enabled,
      active: before.active && isActive(unit),
    });
    if (script) await host.run(script, { doing: `giving ${name} back`, timeout: 100, changes: true });
  },
};

/** Pure: the fewest commands from what is to what is wanted; empty when nothing is to do. */
export function commands(
  name: string,
  unit: Unit,
  wanted: Pick<ServiceInputs, "enabled" | "active">,
): string {
  const start = wanted.active && !isActive(unit);
  const stop = !wanted.active && (isActive(unit) || unit.state === "activating");
  const enable = wanted.enabled && !unit.enabled;
  const disable = !wanted.enabled && unit.enabled;
  return [
    // The second is what `mask --runtime` did; without the option it stays.
    (enable || start) && unit.masked && sh`systemctl unmask ${name} && systemctl unmask --runtime ${name}`,
    // After too many failures in a row systemd refuses to start a unit until the count is reset.
    start && unit.state === "failed" && sh`systemctl reset-failed ${name}`,
    enable && sh`systemctl enable ${name}`,
    disable && sh`systemctl disable ${name}`,
    start && sh`systemctl start ${name}`,
    stop && sh`systemctl stop ${name}`,
  ]
    .filter((command) => command !== false)
    .join(" && ");
}

async function bring(host: Host, unit: Unit, inputs: ServiceInputs): Promise<void> {
  const { unit: name } = inputs;
  if (!unit.found && !inputs.enabled && !inputs.active) return;
  if (!unit.found)
    throw new Error(`there is no unit ${name}. Install the package that brings it, then run this again.`);
  const script = commands(name, unit, inputs);
  if (!script) return;
  const { code, stderr } = await host.run(script, {
    doing: `bringing ${name} to the wanted state`,
    timeout: 100,
    accept: [0, 1, 3, 4, 5, 6],
    changes: true,
  });
  if (code !== 0) throw await failure(host, name, stderr.trim());
  if (inputs.active && !isActive(unit)) await untilUp(host, name);
}

/** `systemctl start` of a `Type=simple` unit returns before the server has even read its configuration. */
async function untilUp(host: Host, name: string): Promise<void> {
  const fact = starting(name);
  const deadline = Date.now() + patience;
  let pid = 0;
  for (let since = Date.now(); ; await wait(250)) {
    const { stdout } = await host.run(fact.script, { doing: `looking at ${name}` });
    const unit = fact.parse(stdout);
    if (unit.state === "failed" || unit.state === "inactive")
      throw await failure(host, name, `it ended at once (${unit.state}, ${unit.result}).`);
    if (!isActive(unit) || unit.mainPid !== pid) {
      pid = unit.mainPid;
      since = Date.now();
    } else if (Date.now() - since >= settled[unit.hangup]) return;
    if (Date.now() > deadline)
      throw await failure(host, name, `it is still ${unit.state} after ${patience / 1000} s and not up.`);
  }
}

async function failure(host: Host, name: string, what: string): Promise<Error> {
  const { stdout } = await host.run(sh`journalctl -u ${name} -n 12 -o cat --no-pager 2>&1 || true`, {
    doing: `reading the journal of ${name}`,
  });
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => `  ${line}`);
  return new Error(
    `${name} does not run: ${what} The end of its journal:\n${lines.join("\n")}\n` +
      `Fix: put right what the journal names, then run this again; see also \`journalctl -u ${name}\` on the host.`,
  );
}

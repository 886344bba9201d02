import type { Fact } from "../host";
import { sh } from "../ssh/quote";

/** A systemd unit, as `systemctl show` tells it (systemd.unit(5), org.freedesktop.systemd1(5)). */
export interface Unit {
  /** False when no unit file of that name exists, so its package is missing. */
  found: boolean;
  /** Started at boot. True too for a unit that can't be enabled, because something else starts it. */
  enabled: boolean;
  masked: boolean;
  /** `ActiveState`: active, reloading, inactive, failed, activating, deactivating … */
  state: string;
  /** `Result` of the last run: success, exit-code, signal, start-limit-hit … */
  result: string;
  /** 0 when nothing runs. */
  mainPid: number;
}

const startedAtBoot = ["enabled", "static", "indirect", "generated", "alias"];

/**
 * Whether a process takes SIGHUP, by lines of its /proc/PID/status; for grep -E as for JavaScript. The signal is the
 * lowest bit of the sets. systemd's child blocks all signals until it becomes the server; until then it is called after
 * systemd, or has a name in parentheses.
 */
export const hangup = { handled: "^Sig(Blk|Cgt):.*[13579bdf]$", systemdsChild: "^Name:.(\\(|systemd)" };

/** What SIGHUP would do to the main process: `fatal` when the unit reloads by it and the process can't take it yet. */
type Hangup = "handled" | "fatal" | "unused";

export function service(unit: string): Fact<Unit> {
  return {
    name: `service ${unit}`,
    script: sh`systemctl show -p LoadState,UnitFileState,ActiveState,Result,MainPID -- ${unit}`,
    parse: parseUnit,
  };
}

/**
 * A unit that is being started. A `Type=simple` server counts as active before it has read its configuration, and a
 * reload at that moment kills it: it is up once it handles the signal that its `ExecReload` sends.
 */
export function starting(unit: string): Fact<Unit & { hangup: Hangup }> {
  return {
    name: `starting ${unit}`,
    script: sh`systemctl show -p LoadState,UnitFileState,ActiveState,Result,MainPID,ExecReload -- ${unit}
grep -sE '^(Name|SigBlk|SigCgt):' "/proc/$(systemctl show -p MainPID --value -- ${unit})/status" || true`,
    parse: (stdout) => ({ ...parseUnit(stdout), hangup: parseHangup(stdout) }),
  };
}

function parseUnit(stdout: string): Unit {
  const properties = new Map([...stdout.matchAll(/^(\w+)=(.*)$/gm)].map(([, key, value]) => [key, value]));
  const get = (key: string) => properties.get(key) ?? "";
  return {
    found: get("LoadState") !== "not-found",
    enabled: startedAtBoot.includes(get("UnitFileState")),
    masked: get("LoadState") === "masked" || get("UnitFileState").startsWith("masked"),
    state: get("ActiveState"),
    result: get("Result"),
    mainPid: Number(get("MainPID")),
  };
}

function parseHangup(text: string): Hangup {
  if (!/^ExecReload=.*HUP/m.test(text)) return "unused";
  const has = (line: string) => new RegExp(line, "m").test(text);
  return has(hangup.handled) && !has(hangup.systemdsChild) ? "handled" : "fatal";
}

/** Whether the unit does its work: a running service, or a mounted, listening or finished one that stays active. */
export function isActive(unit: Unit): boolean {
  return ["active", "reloading", "refreshing"].includes(unit.state);
}

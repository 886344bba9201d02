import { readFileSync } from "node:fs";
import os from "node:os";
import { engine } from "../tools/engine";

/** What the times were measured on. */
export interface Machine {
  cpu: string;
  cores: number;
  /** Gigabytes (10^9 bytes). */
  memory: number;
  system: string;
  engine: string;
}

export async function describeMachine(): Promise<Machine> {
  const { version } = await engine();
  const [cpu] = os.cpus();
  return {
    cpu: cpu?.model ?? process.arch,
    cores: os.cpus().length,
    memory: Math.round(os.totalmem() / 1e9),
    system: `Linux ${os.release()}`,
    engine: version,
  };
}

/** Watches how busy the machine is: the mean of what runs or waits for a core, sampled twice a second. */
export function watchLoad(): () => number {
  const samples: number[] = [];
  const timer = setInterval(() => {
    const running = /^\S+ \S+ \S+ (\d+)\//.exec(readFileSync("/proc/loadavg", "utf8"));
    samples.push(Number(running![1]));
  }, 500);
  timer.unref();
  return () => {
    clearInterval(timer);
    return samples.length === 0 ? 0 : samples.reduce((a, b) => a + b, 0) / samples.length;
  };
}

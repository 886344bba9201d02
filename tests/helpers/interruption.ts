import { type ChildProcess, execFileSync } from "node:child_process";
import path from "node:path";
import { until } from "../../lab/command";
import { wait } from "../../providers/wait";
import type { LabHost } from "./lab";
import type { Run, Stack } from "./stack";

/** How a run is interrupted: the engine and its children are killed, ^C once, or the host loses the SSH connection. */
export type Interruption = "SIGKILL" | "^C" | "lost connection";

const reached = "/run/reached/by-a-step";
export const obstacle = "/run/obstacle";

/** Waits on the host while the obstacle is there, in shell. */
export const standing = `: > ${reached}; while [ -e ${obstacle} ]; do /usr/bin/sleep 0.05; done`;

/**
 * Has a program of the host stand still in a call, until the obstacle is taken away.
 * @param when a condition of the shell over the call's arguments
 */
export async function shim(host: LabHost, name: string, when: string): Promise<void> {
  await host.exec(`: > ${obstacle}; cat > /usr/local/bin/${name} <<'EOF'
#!/bin/sh
if [ -e ${obstacle} ] && ${when}; then ${standing}; fi
exec /usr/bin/${name} "$@"
EOF
chmod +x /usr/local/bin/${name}`);
}

/**
 * Interrupts an up where it stands still, and takes the obstacle away: once the engine has ended, or soon after, since
 * after ^C it waits for the step, and without a connection it may.
 * @param there is called while the step stands still
 */
export async function interrupt(
  host: LabHost,
  stack: Stack,
  way: Interruption,
  there: () => Promise<void>,
): Promise<Run> {
  await obstruct(host);
  let engine!: ChildProcess;
  const started = (child: ChildProcess) => {
    engine = child;
  };
  const ended = stack.runWith(started, "up", "--yes", "--skip-preview");
  const early = ended.then(({ text }) => Promise.reject(new Error(`Nothing stood still:\n${text}`)));
  early.catch(() => undefined);
  await Promise.race([awaitStanding(host), early]);
  await there();
  if (way === "lost connection") await loseConnection(host);
  else if (way === "^C") engine.kill("SIGINT");
  else for (const pid of [engine.pid!, ...descendants(engine.pid!)]) process.kill(pid, "SIGKILL");
  await Promise.race([ended, wait(way === "SIGKILL" ? 30_000 : 2000)]);
  await host.exec(`rm ${obstacle}`);
  return ended;
}

/** Puts the obstacle up. Programs of any user may say that they stand before it. */
export const obstruct = (host: LabHost) =>
  host.exec(`: > ${obstacle}; rm -rf ${path.dirname(reached)}; mkdir -m 1777 ${path.dirname(reached)}`);

export const awaitStanding = (host: LabHost) =>
  until(
    async () => (await host.exec(`[ ! -e ${reached} ] || echo yes`)) !== "" || undefined,
    120,
    () => "Nothing stands still.",
  );

/** Ends sshd's processes that have a connection, but this command's own. */
const loseConnection = (host: LabHost) =>
  host.exec(`set -- $SSH_CONNECTION
/usr/bin/ss -Htnp state established sport = :22 and dport != :$2 | grep -o 'pid=[0-9]*' | cut -d = -f 2 | sort -u | xargs -r kill -9`);

function descendants(pid: number): number[] {
  const pairs = execFileSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  const below = (parent: number): number[] =>
    pairs.filter(([, of]) => of === parent).flatMap(([child]) => [child!, ...below(child!)]);
  return below(pid);
}

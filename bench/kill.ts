import { say } from "../lab/command";
import { settingFor } from "../tools/engine-setting";
import { type BenchHost, blank } from "./hosts";
import { ourConfig } from "./ours";
import type { Kills } from "./results";
import { Stack, secret } from "./scratch-stack";

/**
 * Kills the engine at a random moment of an `up`, does what docs/operations.md says (`pulumi cancel`, `pulumi up`),
 * and compares the accounts on the host and in the state with the stack config; again and again. Every `up` has half of
 * the accounts to make or to delete, in turn.
 */
export async function kills(host: BenchHost, jids: number, count: number): Promise<Kills> {
  await blank(host);
  const engine = settingFor(Math.max(jids, 100)); // with checkpoints there is little to lose
  const all = Array.from({ length: jids }, (_, index) => `kill${index}@${host.domain}`);
  const stack = await Stack.create(ourConfig([host], 0));
  stack.env = engine;
  const found: Kills = { jids, kills: 0, late: 0, lost: 0, duplicated: 0, engine };
  const configure = (wanted: string[]) =>
    stack.configure({ jids: Object.fromEntries(wanted.map((jid) => [jid, secret(jid)])) });
  const mustUp = async () => {
    const { code, text } = await stack.up();
    if (code !== 0) throw new Error(`The engine ended with ${code}:\n${text}`);
  };
  try {
    await configure(all.slice(0, jids / 2));
    await mustUp();
    const before = performance.now();
    await configure(all);
    await mustUp();
    const duration = performance.now() - before; // of a run that is not killed
    for (let round = 0; found.kills < count; round++) {
      const wanted = round % 2 === 0 ? all.slice(0, jids / 2) : all;
      await configure(wanted);
      const at = Math.random() * duration * 0.9; // at its end it may be over already
      const { killed } = await stack.runKilled(at, "up", "--yes", "--skip-preview");
      if (!killed) found.late++;
      else {
        found.kills++;
        await stack.must("cancel", "--yes");
        await mustUp();
      }
      const [onHost, inState] = await Promise.all([accountsOn(host), accountsIn(stack)]);
      found.lost += wanted.filter((jid) => !onHost.includes(jid) || !inState.includes(jid)).length;
      found.duplicated += onHost.length + inState.length - new Set(onHost).size - new Set(inState).size;
      found.duplicated += [...onHost, ...inState].filter((jid) => !wanted.includes(jid)).length;
      say(
        `  kill ${found.kills} after ${(at / 1000).toFixed(1)} s: ${found.lost} lost, ${found.duplicated} too many`,
      );
    }
    await stack.must("preview", "--expect-no-changes");
  } finally {
    await stack.destroy();
    stack.remove();
  }
  return found;
}

/** Bare JIDs of the accounts of a host, by Prosody's own files. */
async function accountsOn({ lab, domain }: BenchHost): Promise<string[]> {
  const files = await lab.exec(`ls /var/lib/prosody/${domain.replaceAll(".", "%2e")}/accounts`);
  return files
    .split("\n")
    .filter((name) => name.endsWith(".dat"))
    .map((name) => `${name.replace(/\.dat$/, "")}@${domain}`);
}

/** Of the state, each as often as it is there. */
async function accountsIn(stack: Stack): Promise<string[]> {
  const { deployment } = JSON.parse(await stack.export()) as {
    deployment: { resources: { type: string; id?: string }[]; pending_operations?: unknown[] };
  };
  if (deployment.pending_operations?.length) throw new Error("Operations are pending in the state.");
  return deployment.resources.flatMap(({ type, id }) => (type.endsWith(":Account") && id ? [id] : []));
}

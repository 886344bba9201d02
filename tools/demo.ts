import { type LabHost, up } from "../lab";
import { certificate } from "../lab/certificates";
import { say } from "../lab/command";
import { type Engine, engine, pulumiOnTerminal } from "./engine";

/**
 * `npm run demo`: a server on a lab host, from nothing, by the same steps as on a real host. Safe to run again.
 * (tools/run.cjs has installed the dependencies and compiled the sources before it gets here.)
 */
export async function main(): Promise<number> {
  const found = await step("Pulumi's engine", engine, ({ version }) => version);
  const host = await step("lab host dev", bringUpHost, ({ address, release }) => `${address}, ${release}`);
  say("\n== pulumi up");
  const code = await pulumiOnTerminal(["up", "--yes", "--skip-preview"]);
  if (code !== 0) return code;
  await report(found, host);
  return 0;
}

/** Its address and the files of its certificate are what Pulumi.dev.yaml names. */
async function bringUpHost(): Promise<LabHost> {
  await certificate("example.test");
  return up("dev");
}

/** Runs one step and says how it went: what it gave and how long it took. */
async function step<T>(name: string, body: () => Promise<T>, result: (value: T) => string): Promise<T> {
  say(`\n== ${name}`);
  const started = Date.now();
  const value = await body();
  say(`${result(value)} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  return value;
}

/** Shows that the server works. */
async function report(_engine: Engine, host: LabHost): Promise<void> {
  say(`\n== ${host.name}\n${await host.exec("prosodyctl about | head -1; systemctl is-active prosody")}`);
}

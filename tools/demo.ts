import { root } from "../config/root";
import { type CertificateFiles, certificate, type LabHost, up } from "../lab";
import { say } from "../lab/command";
import { nameServer } from "../lab/name-server";
import { report } from "./demo-report";
import { engine, pulumiOnTerminal } from "./engine";
import { verifyStack } from "./verify";

/**
 * `npm run demo`: a server on a lab host, from nothing, by the same steps as on a real host. Safe to run again.
 * (tools/run.cjs has installed the dependencies and compiled the sources before it gets here.)
 */
export async function main(): Promise<number> {
  await step("Pulumi's engine", engine, ({ version }) => version);
  const { host, tls } = await step(
    "lab host dev",
    bringUpHost,
    ({ host }) => `${host.address}, Debian ${host.release}`,
  );
  await step(
    "name server of example.test",
    () => nameServer(host, ["example.test"]),
    () => "BIND on the same host, which the stack writes its records to",
  );
  const before = await mainPid(host);
  say("\n== pulumi up");
  const code = await pulumiOnTerminal(["up", "--yes", "--skip-preview"]);
  if (code !== 0) return code;
  say("\n== what runs now");
  const isGood = await report(host, tls.caFile, { before, after: await mainPid(host) });
  say("\n== what its users can do");
  const verified = await verifyStack(undefined, root, { resolver: host.address, ca: tls.caFile });
  return isGood ? verified : 1;
}

/** Its address and the files of its certificate are what Pulumi.dev.yaml names. */
async function bringUpHost(): Promise<{ host: LabHost; tls: CertificateFiles }> {
  if (process.env.PROSODY_LAB_DIR)
    throw new Error(
      "Pulumi.dev.yaml names files in ~/.cache/prosody-pulumi/lab: unset PROSODY_LAB_DIR for the demo.",
    );
  return { host: await up("dev"), tls: await certificate("example.test") };
}

/** Main process of Prosody; `0` when there is none. */
async function mainPid(host: LabHost): Promise<string> {
  return (await host.exec("systemctl show -P MainPID prosody.service")).trim();
}

/** Runs one step and says how it went: what it gave and how long it took. */
async function step<T>(name: string, body: () => Promise<T>, result: (value: T) => string): Promise<T> {
  say(`\n== ${name}`);
  const started = Date.now();
  const value = await body();
  say(`${result(value)} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  return value;
}

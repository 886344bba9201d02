/** The lab: real Linux hosts with systemd, sshd and an address of their own, made on this machine in seconds. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { baseLayers, removeOldLayers } from "./base";
import { type CertificateFiles, type CertificateOptions, certificate } from "./certificates";
import { run } from "./command";
import { awaitGreeting, boot, type HostOptions, isDiskMade, makeDisk, removeHost } from "./host";
import { ensureKey } from "./keys";
import { withLock } from "./lock";
import { prepareMachine } from "./machine";
import { mountsBelow } from "./mounts";
import { forbidOut, links } from "./network";
import { paths, type Release, releases } from "./paths";
import { labProcesses } from "./processes";
import { sshOptions } from "./ssh";

export type { CertificateFiles, CertificateOptions, HostOptions, Release };
export { certificate, prepareMachine, releases };

/** A host that is up. It accepts the key of `privateKeyFile` for `root` and for `admin`, who may use sudo. */
export interface LabHost {
  name: string;
  address: string;
  release: Release;
  /** A known_hosts file that has the host's key. */
  knownHosts: string;
  /** Private key of the client, without a passphrase. */
  privateKeyFile: string;
  /** The host's public key: `ssh-ed25519 AAAA…`. */
  hostKey: string;
  /**
   * Runs a shell script as root over SSH.
   * @returns its standard output.
   * @throws Error with the exit code and the last lines of standard error, when it is not 0.
   */
  exec(script: string): Promise<string>;
  down(): Promise<void>;
}

/** `stopped`: the disk is there, the host is not running; `half-made`: its making was interrupted. */
export interface Listed {
  name: string;
  release: Release | "";
  address: string;
  state: "running" | "stopped" | "half-made";
}

/**
 * Boots a host and waits for its sshd; makes it when it isn't there. A host that is already running stays as it
 * is, and one that stopped comes back with its disk.
 * @throws Error when this machine can't run hosts, or the host exists with another release.
 */
export async function up(name: string, options: HostOptions = {}): Promise<LabHost> {
  checkName(name);
  await prepareMachine();
  return withLock(
    paths.lock(`host-${name}`),
    `Waiting for another process that works on host ${name}.`,
    async () => {
      const existing = (await list()).find((host) => host.name === name);
      if (existing?.state === "half-made") await removeHost(name);
      else if (existing && options.release && existing.release !== options.release)
        throw new Error(
          `Host ${name} exists with ${existing.release}; to have it with ${options.release}, ` +
            `run \`npm run lab -- down ${name}\` first.`,
        );
      if (existing?.state === "running") await awaitGreeting(name);
      else {
        if (!isDiskMade(name)) await makeDisk(name, options);
        await boot(name);
      }
      return labHost(name);
    },
  );
}

/**
 * Makes everything that {@link up} needs, so that it takes a second then: missing packages of this machine, base
 * trees. About three minutes the first time.
 */
export async function prepare(options: { prepared: boolean }): Promise<void> {
  await prepareMachine();
  for (const release of releases) await baseLayers(release, options.prepared);
}

async function labHost(name: string): Promise<LabHost> {
  return {
    name,
    address: await text(paths.host(name, "address")),
    release: (await text(paths.host(name, "release"))) as Release,
    knownHosts: paths.knownHosts(),
    privateKeyFile: paths.clientKey(),
    hostKey: await ensureKey(paths.hostKey(name)),
    exec: (script) => execute(name, script),
    down: () => down(name),
  };
}

async function execute(name: string, script: string): Promise<string> {
  const { code, stdout, stderr } = await run("ssh", [...(await sshArguments(name)), script], {
    accept: "any",
  });
  if (code === 0) return stdout;
  const last = stderr.trimEnd().split("\n").slice(-8).join("\n");
  throw new Error(`On lab host ${name}: ${script}: exit code ${code}\n${last}`);
}

/** Arguments of ssh(1) that log in to a host, without the command. */
export async function sshArguments(name: string, user = "root"): Promise<string[]> {
  const host = (await list()).find((candidate) => candidate.name === name);
  if (host?.state !== "running")
    throw new Error(
      `Host ${name} is ${host ? host.state : "not there"}. Running: ` +
        `${(await list()).flatMap((each) => (each.state === "running" ? each.name : [])).join(", ") || "none"}. ` +
        `To have it: \`npm run lab -- up ${name}\`.`,
    );
  return [...sshOptions(paths.knownHosts()), `${user}@${host.address}`];
}

/**
 * Removes the named hosts; without names, all hosts and everything else that this lab made on the machine, be it
 * left behind by a crash. Kept are the base trees, keys and certificates in the lab's directory.
 */
export async function down(...names: string[]): Promise<void> {
  for (const name of names) checkName(name);
  const all = await traces();
  await Promise.all(
    (names.length > 0 ? names : all).map((name) =>
      withLock(paths.lock(`host-${name}`), `Waiting for another process that works on host ${name}.`, () =>
        removeHost(name),
      ),
    ),
  );
  if ((await traces()).length > 0) return;
  await forbidOut();
  await removeOldLayers();
}

/** All hosts of this lab, by name. */
export async function list(): Promise<Listed[]> {
  const running = new Set(labProcesses().map(({ host }) => host));
  const names = await traces();
  return Promise.all(
    names.map(async (name) => ({
      name,
      release: (await text(paths.host(name, "release"))) as Release | "",
      address: await text(paths.host(name, "address")),
      state: !isDiskMade(name) ? "half-made" : running.has(paths.host(name)) ? "running" : "stopped",
    })),
  );
}

/** Names of hosts of which there is anything: a directory, a process, a mount or a link. */
async function traces(): Promise<string[]> {
  const directories = [
    ...(await readdir(paths.hosts()).catch(() => [])).map((name) => paths.host(name)),
    ...labProcesses().map(({ host }) => host),
    ...links().map(({ owner }) => owner),
    ...mountsBelow(paths.hosts()).map((mount) => dirname(mount)),
  ];
  const ours = directories.filter((directory) => dirname(directory) === paths.hosts());
  return [...new Set(ours.map((directory) => basename(directory)))].sort();
}

async function text(file: string): Promise<string> {
  return existsSync(file) ? (await readFile(file, "utf8")).trim() : "";
}

/** @throws Error for a name that can't be a host name. */
export function checkName(name: string): void {
  if (!/^[a-z][a-z0-9-]{0,39}$/.test(name))
    throw new Error(
      `Host name ${JSON.stringify(name)}: it starts with a letter and has at most 40 of a-z, 0-9 and -.`,
    );
}

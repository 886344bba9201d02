import { existsSync } from "node:fs";
import { copyFile, cp, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { run } from "./command";

/**
 * What apt on this machine needs to reach its mirror (proxies, certificates, a mirror of one's own), lab hosts need
 * too.
 */

/** A line of `apt-get indextargets` in the format of {@link machineMirror}. */
interface Source {
  uri: string;
  suite: string;
}

const debianReleases =
  /^(buster|bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)$/;

/**
 * The mirror to install from: PROSODY_LAB_MIRROR, else the one that this machine's own apt uses for Debian, else
 * none, which leaves the choice to debootstrap (a machine with Ubuntu).
 */
export async function machineMirror(release: string): Promise<string | undefined> {
  if (process.env.PROSODY_LAB_MIRROR) return process.env.PROSODY_LAB_MIRROR;
  const { stdout } = await run(
    "apt-get",
    ["indextargets", "--format", "$(CREATED_BY) $(COMPONENT) $(RELEASE) $(REPO_URI)"],
    { accept: "any" },
  );
  return chooseMirror(stdout, release);
}

/** {@link machineMirror} of what `apt-get indextargets` prints: the release's own mirror, else any of Debian's. */
export function chooseMirror(targets: string, release: string): string | undefined {
  const sources: Source[] = targets.split("\n").flatMap((line) => {
    const [createdBy, component, suite, uri] = line.split(" ");
    if (createdBy !== "Packages" || component !== "main" || !suite || !uri) return [];
    return debianReleases.test(suite) ? [{ suite, uri }] : [];
  });
  return (sources.find(({ suite }) => suite === release) ?? sources[0])?.uri;
}

/** Settings of apt that decide whether it reaches and accepts its mirror. */
const reach =
  /^Acquire::(https?|ftp|tor|socks5h?|Check-Valid-Until|Check-Date|Max-FutureTime|Retries|ForceIPv[46]|Proxy[\w-]*|AllowInsecureRepositories|AllowWeakRepositories)(::| )/i;
const fileSettings = /^Acquire::https?::(?:.*::)?(?:CaInfo|CaPath|SslCert|SslKey|CrlFile) "([^"]+)"/i;

/** The settings among `apt-config dump` that lab hosts take over, as the text of a file in apt.conf.d. */
export function settingsToTakeOver(dump: string): string {
  return dump
    .split("\n")
    .filter((line) => reach.test(line) && !/ "";$/.test(line))
    .map((line) => `${line}\n`)
    .join("");
}

/** Files that such settings name: certificates and keys. */
export function filesOf(settings: string): string[] {
  return settings.split("\n").flatMap((line) => fileSettings.exec(line)?.[1] ?? []);
}

/** The proxy for a program that does not read apt's configuration (debootstrap). */
export function proxyOf(dump: string): string | undefined {
  return /^Acquire::http::Proxy "([^"]+)"/im.exec(dump)?.[1];
}

export async function aptDump(): Promise<string> {
  const { stdout } = await run("apt-config", ["dump"], { accept: "any" });
  const fromEnvironment = (scheme: string) => {
    const proxy = process.env[`${scheme}_proxy`];
    return proxy && !new RegExp(`^Acquire::${scheme}::Proxy `, "im").test(stdout)
      ? `Acquire::${scheme}::Proxy "${proxy}";\n`
      : "";
  };
  return `${stdout}${fromEnvironment("http")}${fromEnvironment("https")}`;
}

/** Gives a host's tree the means to reach the mirror: settings, the files they name, log-ins, name servers. */
export async function equipApt(root: string): Promise<void> {
  const settings = settingsToTakeOver(await aptDump());
  await writeFile(join(root, "etc/apt/apt.conf.d/90lab"), settings);
  for (const file of filesOf(settings)) {
    await mkdir(join(root, dirname(file)), { recursive: true });
    await cp(file, join(root, file), { recursive: true, dereference: true });
  }
  for (const file of ["/etc/apt/auth.conf", "/etc/apt/auth.conf.d"])
    if (existsSync(file)) await cp(file, join(root, file), { recursive: true });
  await equipResolver(root);
}

/** Gives a host's tree this machine's name servers. */
export async function equipResolver(root: string): Promise<void> {
  // systemd-resolved's stub listens on this machine's loopback alone; its other file names the real servers.
  const resolved = "/run/systemd/resolve/resolv.conf";
  await copyFile(existsSync(resolved) ? resolved : "/etc/resolv.conf", join(root, "etc/resolv.conf"));
}

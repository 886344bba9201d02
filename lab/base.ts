import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { aptDump, equipApt, machineMirror, proxyOf } from "./apt";
import { run, say, sayNowAndThen } from "./command";
import { recipe as fedoraRecipe, makeFedora } from "./fedora/base";
import { withLock } from "./lock";
import { mountOverlay, unmount } from "./mounts";
import { paths, type Release } from "./paths";

const included = "systemd-sysv,dbus,openssh-server,sudo,python3-minimal,iproute2,ca-certificates";

/** What a prepared base has in apt's cache, where the release has it: what the stack and its tests install. */
const prepared =
  "prosody prosody-modules lua-dbi-sqlite3 lua-dbi-postgresql lua-event lua-expat lua-filesystem lua-readline " +
  "lua-sec lua-socket lua-unbound lua-zlib lua-bitop coturn firewalld policycoreutils-python-utils " +
  "selinux-policy-default ssl-cert openssl curl netbase mercurial bind9 bind9-dnsutils bind9-utils certbot pebble " +
  "postgresql postgresql-client";

const preparedDays = 14;

type DebianRelease = Exclude<Release, "fedora">;

/**
 * The directories that a host's overlay lies upon, topmost first; made when they are absent (about a minute).
 * @param isPrepared the topmost one has apt's lists and the packages of Prosody in apt's cache, none installed:
 *   the stack installs them without a mirror.
 */
export async function baseLayers(release: Release, isPrepared: boolean): Promise<string[]> {
  // The Fedora-like host is a Debian one that was rebuilt, and always has its packages with it.
  if (release === "fedora") return [await ensureFedora(), await ensureBase("trixie")];
  const base = await ensureBase(release);
  return isPrepared ? [await ensurePrepared(release, base), base] : [base];
}

function ensureFedora(): Promise<string> {
  return ensureLayer("fedora", fedoraRecipe, "Making the Fedora-like base", async (part) =>
    makeFedora(part, await baseLayers("trixie", true)),
  );
}

async function ensureBase(release: DebianRelease): Promise<string> {
  const directory = paths.base(release);
  const done = `${directory}.done`;
  if (existsSync(done)) return directory;
  return withLock(
    paths.lock(`base-${release}`),
    `Waiting for another process that makes the ${release} base.`,
    async () => {
      if (existsSync(done)) return directory;
      const part = `${directory}.part`;
      await rm(part, { recursive: true, force: true });
      await mkdir(dirname(part), { recursive: true });
      say(`Making the ${release} base with debootstrap; this happens once and takes about a minute`);
      const mirror = await machineMirror(release);
      const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
      const scripts = "/usr/share/debootstrap/scripts";
      const proxy = proxyOf(await aptDump());
      await run(
        "debootstrap",
        [
          "--variant=minbase",
          `--include=${included}`,
          ...(existsSync(keyring) ? [`--keyring=${keyring}`] : []),
          release,
          part,
          ...(mirror ? [mirror] : []),
          // an older debootstrap does not know the newest release by name
          ...(mirror && !existsSync(join(scripts, release)) ? [join(scripts, "sid")] : []),
        ],
        { env: { ...(proxy ? { http_proxy: proxy } : {}), ...process.env }, onLine: sayNowAndThen("  ") },
      );
      await emptyArchives(part);
      await rename(part, directory);
      await writeFile(done, "");
      return directory;
    },
  );
}

async function emptyArchives(root: string): Promise<void> {
  const archives = join(root, "var/cache/apt/archives");
  for (const name of await readdir(archives)) if (name.endsWith(".deb")) await rm(join(archives, name));
}

function ensurePrepared(release: DebianRelease, base: string): Promise<string> {
  return ensureLayer(`${release}-apt`, prepared, `Filling ${release}'s package cache`, (part) =>
    fill(part, base),
  );
}

/**
 * A layer with packages, made anew after some days, or when `recipe` says something else.
 * @param make fills the directory that it is given, which does not exist yet
 */
export async function ensureLayer(
  name: string,
  recipe: string,
  doing: string,
  make: (part: string) => Promise<void>,
): Promise<string> {
  const directory = paths.base(name);
  if (await isFresh(directory, recipe)) return directory;
  return withLock(paths.lock(`layer-${name}`), `Waiting for another process: ${doing}.`, async () => {
    if (await isFresh(directory, recipe)) return directory;
    const part = `${directory}.part`;
    await unmount(`${part}.root`); // what a killed run left
    for (const left of [part, `${part}.root`, `${part}.work`])
      await rm(left, { recursive: true, force: true });
    say(`${doing}; this happens once in ${preparedDays} days and takes about a minute`);
    await make(part);
    // A host that is up keeps the files of the old layer open by this new name.
    if (existsSync(directory)) await rename(directory, `${directory}.old-${Date.now()}`);
    await rename(part, directory);
    await writeFile(`${directory}.done`, recipe);
    return directory;
  });
}

async function isFresh(directory: string, recipe: string): Promise<boolean> {
  const done = await stat(`${directory}.done`).catch(() => undefined);
  if (!done || Date.now() - done.mtimeMs > preparedDays * 86_400_000) return false;
  return (await readFile(`${directory}.done`, "utf8")) === recipe;
}

/** Runs apt in an overlay on the base; `layer` gets what differs: lists and packages. */
async function fill(layer: string, base: string): Promise<void> {
  const [work, root] = [`${layer}.work`, `${layer}.root`];
  for (const directory of [layer, work, root]) await mkdir(directory, { recursive: true });
  await mountOverlay([base], layer, work, root);
  try {
    await equipApt(root);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" };
    const chroot = (...command: string[]) =>
      run("chroot", [root, ...command], { env, onLine: sayNowAndThen("  ") });
    await chroot("apt-get", "-q", "update");
    const known = new Set((await run("chroot", [root, "apt-cache", "pkgnames"], { env })).stdout.split("\n"));
    const available = prepared.split(" ").filter((name) => known.has(name));
    await chroot("apt-get", "-q", "-y", "--download-only", "install", ...available);
  } finally {
    await unmount(root);
  }
  for (const name of ["resolv.conf", "apt"])
    await rm(join(layer, "etc", name), { recursive: true, force: true });
  for (const directory of [work, root]) await rm(directory, { recursive: true, force: true });
}

/** Removes layers that were replaced while hosts lay upon them; to be called when no host is up. */
export async function removeOldLayers(): Promise<void> {
  const directory = paths.base("");
  for (const name of await readdir(directory).catch(() => []))
    if (name.includes(".old-")) await rm(join(directory, name), { recursive: true, force: true });
}

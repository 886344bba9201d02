import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { root as projectRoot } from "../../config/root";
import { equipApt } from "../apt";
import { run, sayNowAndThen } from "../command";
import { mountOverlay, unmount } from "../mounts";
import { ofEveryHost, rpms } from "./packages";
import { type Deb, dist, rpmOf, spec, type Tree } from "./spec";

/** Where the repository of RPMs lies in the host. */
const repository = "/srv/fedora";

/** What tells that the layer has to be made anew: its own sources. */
export const recipe = sourcesOf(["base.ts", "packages.ts", "spec.ts"]);

function sourcesOf(files: string[]): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(join(projectRoot, "lab/fedora", file)));
  return hash.digest("hex");
}

/**
 * Makes `layer`, which turns a Debian host into one of the Fedora family: with the real dnf and rpm, a repository of
 * RPMs under Fedora's names and with its layout, and without apt and dpkg.
 * @param below the layers to lie upon: Debian 13 with a filled package cache
 */
export async function makeFedora(layer: string, below: string[]): Promise<void> {
  const [work, root] = [`${layer}.work`, `${layer}.root`];
  for (const directory of [layer, work, root]) await mkdir(directory, { recursive: true });
  await mountOverlay(below, layer, work, root);
  try {
    await equipApt(root);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8", HOME: "/root" };
    const sh = async (script: string) =>
      (
        await run("chroot", [root, "sh", "-e", "-s"], {
          input: `cd /\n${script}`,
          env,
          onLine: sayNowAndThen("  "),
        })
      ).stdout;
    await sh(`apt-get -q -y --no-install-recommends install ${ofEveryHost.join(" ")}`);
    const { debs, trees } = await unpack(sh);
    await writeFile(join(root, "build/lab.spec"), spec(debs, trees));
    await writeFile(join(root, "build/base.spec"), baseSpec);
    await sh(build);
    await writeFile(join(root, "usr/lib/os-release"), osRelease);
    await writeFile(join(root, "etc/sudoers"), sudoers);
    await sh(becomeFedora);
  } finally {
    await unmount(root);
  }
  for (const directory of [work, root]) await rm(directory, { recursive: true, force: true });
}

/** Fetches the Debian packages with what they need beyond the base, and puts their files into a tree for each RPM. */
async function unpack(
  sh: (script: string) => Promise<string>,
): Promise<{ debs: Deb[]; trees: Record<string, Tree> }> {
  const wanted = Object.values(rpms).flatMap(({ debs }) => debs);
  const install = `--no-install-recommends install $(apt-cache pkgnames | grep -xF '${wanted.join("\n")}')`;
  const fields = await sh(`mkdir -p /build/tree
apt-get -q -y --download-only ${install} >&2
for name in $(apt-get -q -s ${install} | sed -n 's/^Inst \\([^ ]*\\) .*/\\1/p'); do
  set -- /var/cache/apt/archives/"$name"_*.deb
  dpkg-deb -W --showformat='\${Package}\\t\${Version}\\t\${Pre-Depends},\${Depends}\\t\${Provides}\\t' "$1"
  echo "$1"
done`);
  const rows = fields
    .trim()
    .split("\n")
    .map((line) => line.split("\t"))
    .filter(([name]) => rpmOf(name!) !== undefined);
  const debs = rows.map(([name, version, depends, provides]) => ({
    name: name!,
    version: version!,
    depends: depends!,
    provides: provides!,
  }));
  const unpacking = rows.map(([name, , , , file]) => `dpkg-deb -x '${file}' /build/tree/${rpmOf(name!)}`);
  const layouts = Object.entries(rpms).map(([name, { layout }]) =>
    layout ? `if cd /build/tree/${name} 2>/dev/null; then\n${layout}\nfi` : "",
  );
  const listing = await sh(`${unpacking.join("\n")}
for tree in /build/tree/*; do
  cd "$tree"
  if [ -d lib ] && ! [ -L lib ]; then mkdir -p usr && cp -a lib usr && rm -r lib; fi
  rm -rf usr/share/doc usr/share/man usr/share/lintian usr/share/bug usr/share/locale
done
${layouts.join("\n")}
cd /build/tree
for tree in *; do
  find "$tree" -mindepth 1 ! -type d
  find "$tree" -mindepth 1 -type d -printf '%P\\n' | while read -r directory; do
    [ -d "/$directory" ] || echo "$tree/$directory/"
  done
done`);
  // Some Debian packages have no file, only dependencies.
  const trees: Record<string, string[]> = Object.fromEntries(debs.map(({ name }) => [rpmOf(name), []]));
  for (const line of listing.trim().split("\n")) {
    const name = line.slice(0, line.indexOf("/"));
    trees[name] = [...(trees[name] ?? []), line.slice(name.length)];
  }
  return { debs, trees };
}

/** What the base has, as Fedora's packages and their requirements name it. */
const ofFedora = [
  "/bin/sh",
  "/usr/bin/openssl",
  "bash",
  "coreutils",
  "curl",
  "dnf",
  "iproute",
  "openssh-server",
  "openssl",
  "python3",
  "rpm",
  "sudo",
  "systemd",
];

/** The packages that a Fedora host has from the start, without files: their names, for dnf and for who asks rpm. */
const baseSpec = `Name: fedora-release
Version: 42
Release: 1
Summary: The release
License: MIT
AutoReqProv: no
Provides: system-release = 42
Provides: system-release(releasever) = 42
Provides: fedora-release = 42
%description
%package -n fedora-base
Summary: What the lab's base has, by Fedora's names
AutoReqProv: no
${ofFedora.map((name) => `Provides: ${name}`).join("\n")}
%description -n fedora-base
%files
%files -n fedora-base
`;

const build = `mkdir -p /etc/rpm ${repository} /etc/yum.repos.d /usr/lib/sysimage/rpm
echo '%_dbpath /usr/lib/sysimage/rpm' > /etc/rpm/macros
for name in base lab; do
  rpmbuild -bb --quiet --define '_rpmdir ${repository}' --define '_topdir /build' --define 'dist .${dist}' \\
    --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' --define 'debug_package %{nil}' \\
    --define '__os_install_post %{nil}' --define '_binary_payload w1.gzdio' /build/$name.spec >&2
done
rpm -i ${repository}/fedora-*.rpm
rm -f ${repository}/fedora-*.rpm
createrepo_c -q ${repository}
cat > /etc/yum.repos.d/fedora.repo <<'END'
[fedora]
name=Fedora $releasever - $basearch
baseurl=file://${repository}
enabled=1
gpgcheck=0
END
`;

const osRelease = `NAME="Fedora Linux"
VERSION="42 (Lab)"
ID=fedora
VERSION_ID=42
PLATFORM_ID="platform:f42"
PRETTY_NAME="Fedora Linux 42 (Lab)"
`;

/** Fedora's own rules: the group wheel, and fewer directories in secure_path than Debian's. */
const sudoers = `Defaults   !visiblepw
Defaults    always_set_home
Defaults    match_group_by_gid
Defaults    always_query_group_plugin
Defaults    env_reset
Defaults    env_keep =  "COLORS DISPLAY HOSTNAME HISTSIZE KDEDIR LS_COLORS"
Defaults    secure_path = /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
root    ALL=(ALL)       ALL
%wheel  ALL=(ALL)       ALL
#includedir /etc/sudoers.d
`;

const becomeFedora = `groupmod -n wheel sudo
ln -sf ../usr/lib/os-release /etc/os-release
echo 'Fedora release 42 (Lab)' > /etc/fedora-release
mkdir -p /usr/lib/systemd/system-preset
echo 'disable *' > /usr/lib/systemd/system-preset/99-default-disable.preset
dnf -q makecache
rm -rf /build /etc/debian_version /etc/apt /var/lib/apt /var/cache/apt /usr/lib/apt /etc/resolv.conf
rm -rf /etc/dpkg /usr/lib/dpkg /usr/share/dpkg /var/lib/dpkg
rm -f /usr/bin/apt /usr/bin/apt-* /usr/bin/dpkg /usr/bin/dpkg-* /usr/sbin/dpkg-* /usr/bin/update-alternatives
`;

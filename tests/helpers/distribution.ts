import { adminSockets, type Family } from "../../config/family";
import type { Release as Prosody } from "../../config/release";
import { type Release, releases } from "../../lab/paths";
import { mainReleases } from "./lab";

/** What differs between the lab's hosts for a test, all of it scripts for a shell. */
export interface Distribution {
  /** For the title of a suite. */
  title: string;
  family: Family;
  prosody: Prosody;
  adminSocket: string;
  /** Package → version of what is installed, as the package manager says it. */
  version(name: string): string;
  install(...names: string[]): string;
  remove(...names: string[]): string;
  /** Removes Prosody with its configuration, its data, and whatever else there is of it. */
  lose: string;
  /** Complains about what is not as the package brought it. */
  verify: string;
  /** A number that grows with each run of the package manager that changed something. */
  transactions: string;
  /** Holds the package manager's lock for three seconds, and is back once it has it. */
  occupy: string;
}

const lostFiles = "rm -rf /etc/prosody /etc/pki/prosody /var/lib/prosody";

const occupy = (lock: string) => `systemd-run --quiet --unit=busy python3 -c "import fcntl,time
f = open('${lock}', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); open('/run/busy', 'w'); time.sleep(3)"
until [ -e /run/busy ]; do sleep .1; done`;

const apt = "DEBIAN_FRONTEND=noninteractive apt-get -y -q";

const debian = (title: string, prosody: Prosody): Distribution => ({
  title,
  family: "debian",
  prosody,
  adminSocket: adminSockets.debian,
  version: (name) =>
    `dpkg-query -W -f '\${db:Status-Status} \${Version}' ${name} 2>&- | sed -n 's/^installed //p'`,
  install: (...names) => `${apt} install --no-install-recommends ${names.join(" ")} 2>&1`,
  remove: (...names) => `${apt} remove ${names.join(" ")} 2>&1`,
  lose: `${apt} purge prosody prosody-modules 2>&1; ${lostFiles}`,
  verify: "dpkg --verify prosody",
  transactions: "grep -c ^Commandline: /var/log/apt/history.log || true",
  occupy: occupy("/var/lib/dpkg/lock-frontend"),
});

export const distributions: Record<Release, Distribution> = {
  trixie: debian("Debian 13", "13.0"),
  bookworm: debian("Debian 12", "0.12"),
  fedora: {
    title: "Fedora",
    family: "fedora",
    prosody: "13.0",
    adminSocket: adminSockets.fedora,
    version: (name) => `rpm -q --qf '%{EVR}' ${name} | grep -v 'not installed' || true`,
    install: (...names) =>
      `dnf -y -q --setopt=install_weak_deps=False install ${names.join(" ")} 2>&1 && ` +
      `dnf -y -q mark install ${names.join(" ")} 2>&1`,
    remove: (...names) => `dnf -y -q remove ${names.join(" ")} 2>&1`,
    lose: `dnf -y -q remove prosody 2>&1; ${lostFiles}`,
    verify: "rpm --verify prosody || true",
    transactions: "dnf -q history list 2>&- | grep -c '^ *[0-9]' || true",
    occupy: occupy("/usr/lib/sysimage/rpm/.rpm.lock"),
  },
};

/** For `describe.each`: the title of a distribution, and the lab's release that has it. */
export const everywhere = mainReleases(...releases).map(
  (release) => [distributions[release].title, release] as const,
);

/** For `describe.each` where all depends on Prosody alone: its release, and the lab's release that has it. */
export const eachProsody = [
  ["13.0", "trixie"],
  ["0.12", "bookworm"],
] as const satisfies [Prosody, Release][];

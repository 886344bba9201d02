import { createHash } from "node:crypto";
import { root } from "../config/root";
import { type CertificateFiles, certificate, down, type LabHost, up } from "../lab";
import { say } from "../lab/command";

/** Of both sides, and of the modules that Ansible needs on the host: what is timed never installs a package. */
const packages =
  "prosody prosody-modules lua-unbound coturn firewalld netbase policycoreutils-python-utils selinux-policy-default openssl python3-apt";

/** What the server's files, ports and accounts are kept in. */
const kept = "/etc/prosody /etc/turnserver.conf /etc/default/coturn /etc/firewalld /var/lib/prosody";
const copy = "/root/blank.tar";

/** Two clones on one machine have hosts of their own. */
const clone = createHash("sha256").update(root).digest("hex").slice(0, 4);

/** A lab host with all packages installed and nothing else done, and the domain that it is to serve. */
export interface BenchHost {
  lab: LabHost;
  /** Name of the server in the stack config. */
  server: string;
  domain: string;
  tls: CertificateFiles;
}

/** Boots hosts and installs the packages, unless it was done. */
export async function bringUp(count: number): Promise<BenchHost[]> {
  const hosts: BenchHost[] = [];
  for (let number = 1; number <= count; number++) {
    const lab = await up(`bench-${clone}-${number}`, { prepared: true, inMemory: true });
    const domain = `h${number}.example.test`;
    hosts.push({ lab, server: `h${number}`, domain, tls: await certificate(domain) });
    await prepare(lab);
  }
  return hosts;
}

async function prepare(lab: LabHost): Promise<void> {
  if ((await lab.exec(`[ -f ${copy} ] && echo done || true`)).trim() === "done") return;
  say(`Installing packages on ${lab.name}`);
  await lab.exec(
    `export DEBIAN_FRONTEND=noninteractive
apt-get -y -q --no-install-recommends install ${packages} >/dev/null 2>&1
systemctl enable --now firewalld >/dev/null 2>&1
systemctl stop prosody coturn
tar -cf ${copy} ${kept} 2>/dev/null
systemctl start prosody coturn`,
  );
}

/** Takes back whatever either side did to a host. */
export async function blank({ lab }: BenchHost): Promise<void> {
  await lab.exec(
    `systemctl stop prosody coturn
rm -rf ${kept}
tar -xf ${copy} -C /
semanage port -D
firewall-cmd -q --reload
systemctl reset-failed
systemctl start prosody coturn`,
  );
}

export const takeDown = (hosts: BenchHost[]): Promise<void> => down(...hosts.map(({ lab }) => lab.name));

/** Bare JIDs and passwords, spread over the hosts' domains. */
export function accounts(hosts: readonly BenchHost[], count: number): { jid: string; password: string }[] {
  return Array.from({ length: count }, (_, index) => ({
    jid: `user${index}@${hosts[index % hosts.length]!.domain}`,
    password: `first-password-${index}`,
  }));
}

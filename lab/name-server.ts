import type { LabHost } from ".";

/** TSIG key that may change the lab's zones. It is no secret: whoever has the sources has it. */
export const labKey = {
  name: "lab",
  algorithm: "hmac-sha256",
  secret: "bm8gc2VjcmV0LCBidXQgYSBrZXkgb2YgdGhlIGxhYg==",
} as const;

/** A key that BIND knows and lets change nothing. */
export const powerlessKey = { ...labKey, name: "powerless" } as const;

/** A key that BIND lets change addresses, and nothing else. */
export const modestKey = { ...labKey, name: "modest" } as const;

/**
 * Makes a lab host the primary name server of these zones: BIND, which takes dynamic updates by {@link labKey}. Zones
 * that it has already keep their records. Safe to repeat.
 */
export async function nameServer(host: LabHost, zones: readonly string[]): Promise<void> {
  const files = [
    { file: "/etc/bind/named.conf", content: configuration(zones) },
    ...zones.map((zone) => ({ file: zoneFile(zone), content: emptyZone(zone, host.address), once: true })),
  ];
  await host.exec(`set -e
export DEBIAN_FRONTEND=noninteractive
get() { apt-get -q -y --no-install-recommends install bind9 bind9-dnsutils; }
[ -x /usr/sbin/named ] || { get || { apt-get -q update && get; }; } >/var/log/install-bind.log 2>&1 ||
  { tail -5 /var/log/install-bind.log >&2; exit 1; }
changed=
${files.map(write).join("\n")}
[ -z "$changed" ] && systemctl -q is-active named || { systemctl reset-failed named; systemctl restart named; }
`);
}

/** @param once a file that is there stays as it is */
function write({ file, content, once = false }: { file: string; content: string; once?: boolean }): string {
  return `cat >/tmp/wanted <<'END'
${content}END
${once ? `[ -e ${file} ]` : `cmp -s /tmp/wanted ${file}`} || { install -o bind -g bind -m 0644 /tmp/wanted ${file}; changed=1; }`;
}

const zoneFile = (zone: string) => `/var/lib/bind/${zone}.zone`;

function configuration(zones: readonly string[]): string {
  const key = ({ name, algorithm, secret }: { name: string; algorithm: string; secret: string }) =>
    `key "${name}" { algorithm ${algorithm}; secret "${secret}"; };\n`;
  return `${[labKey, powerlessKey, modestKey].map(key).join("")}options {
  directory "/var/cache/bind";
  recursion no;
  dnssec-validation no;
  allow-transfer { key "${labKey.name}"; };
};
${zones
  .map(
    (zone) => `zone "${zone}" {
  type primary;
  file "${zoneFile(zone)}";
  update-policy { grant ${labKey.name} zonesub ANY; grant ${modestKey.name} zonesub A AAAA; };
};
`,
  )
  .join("")}`;
}

/** A zone as its owner has it before: the domain itself leads somewhere, here to the same host. */
function emptyZone(zone: string, address: string): string {
  return `$TTL 300
@ IN SOA ns.${zone}. hostmaster.${zone}. 1 3600 600 86400 60
@ IN NS ns.${zone}.
ns IN A ${address}
@ IN A ${address}
`;
}

import type { LabHost } from "./lab";

/** A zone that a name server is to serve. */
export interface Zone {
  domain: string;
  /** Records as the stack's output has them: a fragment of a zone file. */
  records: string;
  /** Address of the domain itself, which belongs to whoever has its web site. */
  address: string;
}

/**
 * Makes BIND on a lab host the name server of these zones, and of no others.
 * @returns the address to ask
 */
export async function serveZones(host: LabHost, zones: readonly Zone[]): Promise<string> {
  const files = zones.map(({ domain, records, address }) => {
    const soa = `@ 60 IN SOA ns.${domain}. hostmaster.${domain}. 1 60 60 3600 1`;
    const own = [`@ 60 IN NS ns.${domain}.`, `ns 60 IN A ${host.address}`, `@ 60 IN A ${address}`];
    return [`cat > /etc/bind/${domain}.zone <<'END'`, `$ORIGIN ${domain}.`, soa, ...own, records, "END"].join(
      "\n",
    );
  });
  const list = zones.map(
    ({ domain }) => `zone "${domain}" { type primary; file "/etc/bind/${domain}.zone"; };`,
  );
  const options =
    "listen-on { any; }; allow-query { any; }; recursion yes; allow-recursion { any; }; dnssec-validation no;";
  await host.exec(
    [
      "command -v named >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends bind9 2>&1",
      ...files,
      "cat > /etc/bind/named.conf <<'END'",
      `options { directory "/var/cache/bind"; ${options} };`,
      ...list,
      "END",
      "named-checkconf -z 2>&1 >/dev/null && systemctl restart named",
    ].join("\n"),
  );
  return host.address;
}

/** Has a host ask that name server from now on. */
export async function useResolver(host: LabHost, resolver: string): Promise<void> {
  await host.exec(`rm -f /etc/resolv.conf; echo nameserver ${resolver} > /etc/resolv.conf`);
}

/** Has a host trust the lab's own authority, as it trusts the public ones. */
export async function trustLab(host: LabHost, pem: string): Promise<void> {
  await host.exec(
    `cat > /usr/local/share/ca-certificates/lab.crt <<'END'\n${pem}\nEND\nupdate-ca-certificates 2>&1 >/dev/null`,
  );
}

import { distributions } from "./distribution";
import type { LabHost } from "./lab";

/**
 * Let's Encrypt's own test authority (https://github.com/letsencrypt/pebble) on a lab host, with a DNS server that
 * leads every name to the host. It refuses blocked.test.
 * @param port of its directory, https://127.0.0.1:PORT/dir
 * @returns whom to trust for the directory, and for the certificates that it gives; PEM
 */
export async function startPebble(
  host: Pick<LabHost, "exec" | "release">,
  port = 14000,
): Promise<{ directoryAuthority: string; root: string }> {
  const seconds = 90 * 86_400;
  const config = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: "127.0.0.1:15000",
    certificate: "/opt/pebble/tls.crt",
    privateKey: "/opt/pebble/tls.key",
    httpPort: 80,
    tlsPort: 443,
    ocspResponderURL: "",
    externalAccountBindingRequired: false,
    domainBlocklist: ["blocked.test"],
    retryAfter: { authz: 1, order: 1 },
    certificateValidityPeriod: seconds, // of bookworm's pebble; a later one has profiles
    profiles: { default: { description: "as Let's Encrypt's", validityPeriod: seconds } },
  };
  const off = ["-http01", "-https01", "-tlsalpn01"].map((challenge) => `${challenge} ""`).join(" ");
  await host.exec(`set -e
{ ${distributions[host.release].install("pebble", "curl", "openssl")}; } >/dev/null
mkdir -p /opt/pebble
cd /opt/pebble
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $key -days 30 -subj "/CN=Directory's authority" -keyout ca.key -out ca.crt 2>/dev/null
openssl req $key -subj /CN=127.0.0.1 -keyout tls.key -out tls.csr 2>/dev/null
printf 'subjectAltName=IP:127.0.0.1' > names
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile names -out tls.crt 2>/dev/null
cat > config.json <<'END'
${JSON.stringify({ pebble: config })}
END
systemd-run --quiet --unit=dns pebble-challtestsrv -dns01 127.0.0.1:8053 -defaultIPv4 127.0.0.1 -defaultIPv6 "" ${off} -management 127.0.0.1:8055
systemd-run --quiet --unit=pebble --setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT=0 pebble -config /opt/pebble/config.json -dnsserver 127.0.0.1:8053
until curl -sf --cacert ca.crt https://127.0.0.1:15000/roots/0 > root.crt; do sleep 0.1; done`);
  return {
    directoryAuthority: await host.exec("cat /opt/pebble/ca.crt"),
    root: await host.exec("cat /opt/pebble/root.crt"),
  };
}

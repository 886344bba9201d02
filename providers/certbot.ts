import type { AcmeCertificateInputs } from "./acme-certificate";
import { caFiles, dropIns } from "./facts/lineages";
import type { Host, RunResult } from "./host";
import { raw, sh } from "./ssh/quote";
import { warnOnce } from "./warn";

/** What does not come about whole, as on a full disk, is not there for the next preview. */
export const trustAuthority = sh`give_up() { rm -f ${caFiles.own} ${caFiles.all}; exit 1; }
cat ${raw("$(ls /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt 2>/dev/null | head -n 1)")} ${caFiles.own} > ${caFiles.all} || give_up
for directory in ${dropIns}; do
  mkdir -p "$directory"
  printf '[Service]\nEnvironment=REQUESTS_CA_BUNDLE=%s\n' ${caFiles.all} > "$directory/prosody-pulumi.conf" || give_up
done
systemctl daemon-reload`;

/** The inverse of {@link trustAuthority}. */
export const forgetAuthority = sh`rm -f ${caFiles.own} ${caFiles.all}
for directory in ${dropIns}; do
  rm -f "$directory/prosody-pulumi.conf"
  rmdir "$directory" 2>/dev/null || true
done
systemctl daemon-reload`;

/** Environment of a certbot that trusts a private authority, too. */
const environment = sh`[ ! -f ${caFiles.all} ] || export REQUESTS_CA_BUNDLE=${caFiles.all}
`;

/**
 * Has certbot get the certificate, or renew it. SELinux may confine certbot, and it then writes to a pipe of the
 * shell's, but not to sshd's.
 * @throws Error with {@link reasonOf}
 */
export async function obtain(host: Host, inputs: AcmeCertificateInputs, force: boolean): Promise<void> {
  const { domain, names, email, directory } = inputs;
  const result = await host.run(
    environment +
      sh`since=$(wc -c < /var/log/letsencrypt/letsencrypt.log 2>/dev/null || echo 0)
said=$(certbot certonly --non-interactive --agree-tos --email ${email} --server ${directory} --standalone --preferred-challenges http --cert-name ${domain} --key-type ecdsa --renew-with-new-domains ${force ? ["--force-renewal"] : ["--keep-until-expiring"]} ${names.flatMap((name) => ["-d", name])} 2>&1) && exit 0
printf '%s\\n==\\n' "$said"
tail -c +$((since + 1)) /var/log/letsencrypt/letsencrypt.log | grep -oE '"(detail|type)": *"[^"]*"|acme.messages.Error: .*' | sort -u | head -n 20
exit 1`,
    { doing: `getting a certificate for ${domain}`, timeout: 300, accept: [0, 1], changes: true },
  );
  if (result.code !== 0) throw new Error(reasonOf(result, inputs));
}

/** What certbot says, without its advertisements, and what a user can do. */
export function reasonOf({ stdout }: Pick<RunResult, "stdout">, inputs: AcmeCertificateInputs): string {
  const { domain } = inputs;
  const reasons = stdout.split("\n==\n").flatMap(wordsOf);
  return `the authority gave no certificate for ${domain}; the one before, if any, stays in service.\n${reasons.map((line) => `  ${line}`).join("\n")}\nFix: ${fixOf(stdout, inputs)}`;
}

/** Lines of certbot's that say something. */
function wordsOf(said: string): string[] {
  const noise =
    /^(Saving debug log|Ask for help|Hint:|Requesting|Renewing|- - -|Plugins|An unexpected error|Some challenges|Certbot failed to authenticate|Account registered|$)/;
  return said
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => !noise.test(line));
}

function fixOf(said: string, { domain, names, directory }: AcmeCertificateInputs): string {
  const then = "then run this again.";
  const { host } = new URL(directory);
  if (/port 80/i.test(said)) return `Stop what uses port 80 on the host, ${then}`;
  if (/challenges over DNS/.test(said))
    return `The certificate has a wildcard, for others on the host. Have it made for ${names.join(", ")} on the host, as it was made before (certbot certonly --cert-name ${domain}), ${then}`;
  if (/rateLimited|too many/i.test(said))
    return `Wait until the time that the authority names, ${then} Each try before that may count.`;
  if (/CERTIFICATE_VERIFY_FAILED/.test(said))
    return `See that the clock of the host is right (\`timedatectl\`), and that acme.caFile is the authority's where it is a private one, ${then}`;
  if (/requests\.exceptions\.\w+/.test(said))
    return `The host does not reach ${host}. See to its resolver, its route and what filters what it sends, ${then}`;
  if (/Requesting \S+: Permission denied/.test(said))
    return `Something on the host keeps certbot from connecting to ${host}. Where SELinux is on, see \`ausearch -m AVC -c certbot\` there: the port needs the label http_port_t; ${then}`;
  return `See that each of ${names.join(", ")} leads to this host in the DNS, and that its port 80 can be reached from the internet, ${then}`;
}

/**
 * Has certbot tell the authority the e-mail address.
 * @returns whether the authority took it; the certificate is good without, so that a refusal is a warning
 */
export async function tellEmail(host: Host, inputs: AcmeCertificateInputs): Promise<boolean> {
  const { server, domain, email, directory } = inputs;
  const { code, stdout } = await host.run(
    environment +
      sh`certbot update_account --non-interactive --agree-tos --email ${email} --server ${directory} 2>&1`,
    { doing: "telling the authority the e-mail address", accept: [0, 1], changes: true },
  );
  if (code !== 0)
    warnOnce(
      `${server}: the authority did not take the e-mail address ${email}, and keeps the one before; the certificate of ${domain} is not affected. ${wordsOf(stdout).join(" ")}`,
    );
  return code === 0;
}

import { isDeepStrictEqual } from "node:util";
import type { AcmeCertificateInputs, AcmeCertificateState } from "../acme-certificate";
import { archiveDirectory, pack } from "../archive";
import { forgetAuthority, obtain, tellEmail, trustAuthority } from "../certbot";
import {
  adoptedMark,
  caFiles,
  dropIns,
  hookFile,
  type Lineage,
  type Lineages,
  lineages,
  retryFiles,
  retryLine,
} from "../facts/lineages";
import { type Handler, unequal } from "../handler";
import type { Host } from "../host";
import { loadPending, unreadable, warnNotLoaded } from "../load-certificates";
import { removeFiles, type WantedFile, writeFiles } from "../ssh/files";
import { raw, sh } from "../ssh/quote";

/** A renewal is due when a third of the time is left; certbot's timer looks twice a day. */
const overdueAt = 0.2;

const day = 86_400_000;

const compared = [
  "server",
  "domain",
  "names",
  "email",
  "directory",
  "ca",
  "hook",
  "deployed",
  "overdue",
] as const;

/** A certificate by certbot. */
export const acmeCertificateHandler: Handler<AcmeCertificateInputs, AcmeCertificateState> = {
  inputs: ["domain", "names", "email", "directory", "ca", "hook", "deployed", "overdue", "certificate"],
  replaceOn: ["server", "domain"],
  timeout: 400,

  id: ({ domain }) => domain,

  check: ({ domain, names, email, directory }) => [
    ...[domain, ...names]
      .filter((name) => !/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(name))
      .map((name) => ({
        property: "names",
        reason: `${JSON.stringify(name)} is no name that an authority certifies.`,
      })),
    ...(/^[^\s-][^\s]*@[^\s]+$/.test(email)
      ? []
      : [{ property: "email", reason: "it is no e-mail address." }]),
    ...(directory.startsWith("https://")
      ? []
      : [{ property: "directory", reason: "it is no https:// URL." }]),
  ],

  complete: (inputs, old) => (old?.certificate ? { ...inputs, certificate: old.certificate } : inputs),

  /** A renewal is the host's business. */
  diff: (state, inputs) => unequal(compared, state, inputs),

  async create(host, inputs) {
    const { lineages: before } = await host.fact(lineages);
    const lineage = before[inputs.domain];
    const adopted = lineage !== undefined && (lineage.adopted || !lineage.hook);
    const others = adopted ? lineage.names.filter((name) => !inputs.names.includes(name)) : [];
    try {
      // Of one that was adopted once, and is gone.
      if (!lineage) await removeFiles(host, [adoptedMark(inputs.domain)]);
      return { ...(await bring(host, { inputs, email: inputs.email, adopted, others })), adopted, others };
    } catch (error) {
      // No state knows of an adopted one yet, so that a destroy would leave the script.
      const ours = [hookFile, adoptedMark, retryFiles].flatMap((of) => of(inputs.domain));
      if (adopted) await removeFiles(host, ours).catch(() => undefined);
      throw error;
    }
  },

  async read(host, state) {
    const found = await host.fact(lineages);
    const lineage = found.lineages[state.domain];
    if (!lineage) return undefined;
    const { directory, expires, certificate } = lineage;
    const hook = lineage.retried ? lineage.hook : "";
    const deployed = lineage.deployed && !found.pending;
    const names = namesFor(state.names, lineage, state.others);
    const overdue = lateness(lineage, found.now);
    return { ...state, names, directory, hook, deployed, expires, certificate, ca: found.ca, overdue };
  },

  async update(host, state, inputs) {
    const { adopted, email } = state;
    const others = state.others?.filter((name) => !inputs.names.includes(name)) ?? [];
    return { ...(await bring(host, { inputs, email, adopted, others })), adopted, others };
  },

  async delete(host, state) {
    await host.group("certbot", state, async (states) => {
      for (const one of states) await remove(host, one);
      return states.map(() => undefined);
    });
  },
};

/** Those that are wanted and that it has, be it by a wildcard of others; and those that nobody wants. */
function namesFor(wanted: string[], { names }: Lineage, others: string[] = []): string[] {
  const has = (name: string) => names.includes(name) || names.includes(name.replace(/^[^.]+/, "*"));
  const more = names.filter((name) => !others.includes(name));
  return [...new Set([...wanted.filter(has), ...more])].sort();
}

/** Why a certificate should have been renewed by now; "" when all is well. */
export function lateness({ begins, expires, isPair }: Lineage, now: number): string {
  if (!isPair) return "its key does not belong to it";
  const [from, to] = [Date.parse(begins), Date.parse(expires)];
  const left = to - now;
  if (left > (to - from) * overdueAt) return "";
  const when = left < 0 ? "it has expired" : `it expires in ${Math.floor(left / day)} days`;
  return `${when} (${expires.slice(0, 10)}) and was not renewed: see journalctl -u certbot and /var/log/letsencrypt/letsencrypt.log on the host`;
}

interface Wanted {
  inputs: AcmeCertificateInputs;
  /** What the authority knew until now. */
  email: string;
  /** certbot keeps it. */
  adopted: boolean;
  /** Names that the certificate keeps besides. */
  others: string[];
}

type Brought = Omit<AcmeCertificateState, "adopted" | "others">;

/** certbot works on one certificate at a time. */
function bring(host: Host, wanted: Wanted): Promise<Brought> {
  return host.group("certbot", wanted, async (all) => {
    const results: (Brought | Error)[] = [];
    for (const one of all) results.push(await bringOne(host, one).catch((error: Error) => error));
    return results;
  });
}

async function bringOne(host: Host, { inputs, email, adopted, others }: Wanted): Promise<Brought> {
  const { domain } = inputs;
  const before = await host.fact(lineages);
  await prepare(host, inputs, before, adopted);
  const lineage = before.lineages[domain];
  const mustRenew =
    lineage !== undefined && (lineage.directory !== inputs.directory || lateness(lineage, before.now) !== "");
  if (!lineage || mustRenew || !isDeepStrictEqual(namesFor(inputs.names, lineage, others), inputs.names))
    await obtain(host, { ...inputs, names: [...inputs.names, ...others].sort() }, mustRenew);
  // An authority at which the host has an account already does not get to know it with the order.
  const told = email === inputs.email || (await tellEmail(host, inputs)) ? inputs.email : email;
  const { lineages: now, pending } = await host.fact(lineages);
  let after = now[domain];
  if (after && !after.deployed) {
    await deploy(host, domain);
    after = (await host.fact(lineages)).lineages[domain];
  } else if (pending) await loadPending(host);
  if (!after?.deployed)
    throw new Error(
      `certbot reported success, but Prosody does not have the certificate of ${domain}. See \`certbot certificates\` on the host, then run this again.`,
    );
  return { ...inputs, email: told, expires: after.expires, certificate: after.certificate };
}

/** The script for renewals, and whom to trust: certbot's timer gets the latter by its environment. */
async function prepare(
  host: Host,
  { domain, hook, ca }: AcmeCertificateInputs,
  before: Lineages,
  adopted: boolean,
): Promise<void> {
  const file = (path: string, content: string, mode: string): WantedFile => {
    return { path, content, mode, owner: "root", group: "root", makeDirectories: true };
  };
  const retry = `[Service]\n${retryLine(domain)}\n`;
  const isRetried = before.lineages[domain]?.retried ?? false;
  const files = [
    // Before the script, by which it would be the stack's own.
    ...(adopted && !before.lineages[domain]?.adopted ? [file(adoptedMark(domain), "", "0644")] : []),
    ...(before.lineages[domain]?.hook === hook ? [] : [file(hookFile(domain), hook, "0755")]),
    ...(isRetried ? [] : retryFiles(domain).map((path) => file(path, retry, "0644"))),
    ...(before.ca === ca || ca === "" ? [] : [file(caFiles.own, ca, "0644")]),
  ];
  await writeFiles(host, files);
  if (!isRetried)
    await host.run("systemctl daemon-reload", { doing: "telling systemd of the script", changes: true });
  if (before.ca !== ca)
    await host.run(ca === "" ? forgetAuthority : trustAuthority, {
      doing: "telling certbot whom to trust",
      changes: true,
    });
}

async function deploy(host: Host, domain: string): Promise<void> {
  const { code, stderr } = await host.run(
    sh`RENEWED_LINEAGE=/etc/letsencrypt/live/${domain} ${hookFile(domain)}`,
    {
      doing: `bringing the certificate of ${domain} to Prosody`,
      accept: [0, 1, 2, unreadable],
      changes: true,
    },
  );
  if (code === unreadable) warnNotLoaded(host, stderr.replace(/^.* stays in service: /, ""));
  else if (code !== 0) throw new Error(stderr.trim());
}

/** Copies that are certbot's, old ones too, go; what somebody else put there by now stays. */
async function remove(host: Host, { domain, adopted }: AcmeCertificateState): Promise<void> {
  await host.run(
    sh`umask 077
cd /
for pair in fullchain:crt privkey:key; do
  copy=etc/prosody/certs/${domain}.\${pair#*:}
  for one in etc/letsencrypt/live/${domain}/"\${pair%:*}.pem" etc/letsencrypt/archive/${domain}/"\${pair%:*}"*.pem; do
    cmp -s "$one" "$copy" && rm -f "$copy"
  done
done
rm -f ${hookFile(domain)} ${adoptedMark(domain)} ${retryFiles(domain)}
rmdir ${dropIns} 2>/dev/null
systemctl daemon-reload
ls /etc/letsencrypt/renewal-hooks/deploy/prosody-pulumi-* >/dev/null 2>&1 || {
${raw(forgetAuthority)}
}
${raw(adopted ? "exit 0" : "")}
cd etc/letsencrypt 2>/dev/null && [ -e renewal/${domain}.conf ] || exit 0
set -e
${raw(pack)}install -d -m 0700 ${archiveDirectory}
set -- etc/letsencrypt/renewal/${domain}.conf
for one in archive/${domain} live/${domain}/*.pem; do
  [ ! -e "$one" ] || set -- "$@" "etc/letsencrypt/$one"
done
pack ${archiveDirectory}/acme-${domain}"-$(date -u +%Y%m%dT%H%M%SZ).tar.gz" -C / -h "$@"
# certbot deletes none of which a part is gone
if [ -e live/${domain}/fullchain.pem ] && command -v certbot >/dev/null; then certbot delete --non-interactive --cert-name ${domain} 2>&1
else rm -rf live/${domain} archive/${domain} renewal/${domain}.conf; fi`,
    {
      doing: `archiving and removing the certificate of ${domain}`,
      changes: true,
      fix: `Nothing is deleted without an archive. See whether ${archiveDirectory} can be written, then run this again.`,
    },
  );
}

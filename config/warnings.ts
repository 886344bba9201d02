import { X509Certificate } from "node:crypto";
import { covers, day, daysLeft, missingIssuer } from "./certificates";
import type { Environment } from "./environment";
import { secretName } from "./options";
import { isMap } from "./parts";
import { optionPath } from "./problems";
import type { Domain, Server } from "./settings";
import { either } from "./words";

/** What works, but hardly as it was meant. Each is a sentence with the option and the fix. */
export function warningsFor(
  server: Server,
  raw: Record<string, unknown>,
  { now }: Pick<Environment, "now">,
  encrypted: ReadonlySet<string>,
): string[] {
  return [
    ...clearTexts(raw, encrypted),
    ...server.domains.flatMap((domain) => certificateWarnings(domain, server, now)),
  ];
}

function certificateWarnings({ name, certificate }: Domain, server: Server, now: Date): string[] {
  const option = optionPath(["domains", name]);
  const chain = [certificate.certificate, ...certificate.intermediates].map(
    (pem) => new X509Certificate(pem),
  );
  const warnings = uncovered(chain[0]!, name, server).map((text) => `${option}.certificate: ${text}`);
  const days = daysLeft(chain[0]!, now);
  if (days < 14)
    warnings.push(`${option}.certificate: it expires on ${day(new Date(chain[0]!.validTo))}; renew it.`);
  const issuer = missingIssuer(chain);
  if (issuer)
    warnings.push(
      `${option}.intermediates: the chain ends at ${issuer}, which is no public authority; clients that don't know it refuse the certificate. Add what is missing, ${issuer} itself included.`,
    );
  return warnings;
}

/**
 * Subdomains whose own name a peer checks: rooms when other servers connect, uploads when clients do. Nobody opens
 * an encrypted connection to the file transfer proxy, so its name does not matter.
 */
function uncovered(leaf: X509Certificate, domain: string, { conference, upload, ports }: Server): string[] {
  const federated = ports.server !== false || ports.serverDirectTls !== false;
  const missing = [
    {
      ...conference,
      option: "conference",
      matters: federated,
      loss: "users of other servers can't join rooms",
    },
    { ...upload, option: "upload", matters: true, loss: "clients can't upload files" },
  ]
    .filter(
      ({ enabled, matters, subdomain }) => enabled && matters && !covers(leaf, `${subdomain}.${domain}`),
    )
    .map(({ subdomain, ...rest }) => ({ ...rest, name: `${subdomain}.${domain}` }));
  if (missing.length === 0) return [];
  const names = either(
    missing.map(({ name }) => name),
    "and",
  );
  const losses = either(
    missing.map(({ loss }) => loss),
    "and",
  );
  const off = either(missing.map(({ option }) => `prosody:${option}: false`));
  return [
    `it does not cover ${names}, so ${losses}. Ask for a certificate with ${missing.length > 1 ? "these names" : "this name"} among its subject alternative names (or *.${domain}), or set ${off}.`,
  ];
}

/** Secrets that are not stored as such. */
function clearTexts(raw: Record<string, unknown>, encrypted: ReadonlySet<string>): string[] {
  const found: PropertyKey[][] = [];
  const note = (value: unknown, ...path: PropertyKey[]) => {
    if (typeof value === "string" && value !== "" && !encrypted.has(String(path[0]))) found.push(path);
  };
  for (const [jid, account] of Object.entries(isMap(raw.jids) ? raw.jids : {}))
    if (isMap(account)) note(account.password, "jids", jid, "password");
    else note(account, "jids", jid);
  for (const [domain, entry] of Object.entries(isMap(raw.domains) ? raw.domains : {}))
    if (isMap(entry)) note(entry.key, "domains", domain, "key");
  if (isMap(raw.host)) {
    const { privateKey, passphrase, sudo } = raw.host;
    note(privateKey, "host", "privateKey");
    note(passphrase, "host", "passphrase");
    if (isMap(sudo)) note(sudo.password, "host", "sudo", "password");
  }
  for (const [name, value] of Object.entries(isMap(raw.options) ? raw.options : {}))
    if (secretName.test(name)) note(value, "options", name);
  return found.map((path) => {
    const option = optionPath(path);
    const key = option.replace(/^prosody:/, "").replaceAll("'", "'\\''");
    return `${option}: it is stored in clear. Encrypt it: pulumi config set --path --secret '${key}'`;
  });
}

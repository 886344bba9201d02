import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import { Refused } from "./refused";
import { either } from "./words";

/**
 * The certificates of a PEM text, in its order; the first may be the leaf of a full chain.
 * @throws Refused
 */
export function parseCertificates(text: string): X509Certificate[] {
  refuseEscapes(text);
  const blocks = pemBlocks(text);
  const found = blocks.filter(({ label }) => label === "CERTIFICATE" || label === "X509 CERTIFICATE");
  if (found.length > 0) return found.map(({ pem }, index) => parseOne(pem, index, found.length));
  const label = blocks[0]?.label;
  if (label?.endsWith("PRIVATE KEY"))
    throw new Refused("this is a private key; it belongs into key or keyFile, here goes the certificate");
  if (label?.endsWith("CERTIFICATE REQUEST"))
    throw new Refused("this is a signing request; give the certificate that the authority made of it");
  if (label === "PKCS7")
    throw new Refused("this is PKCS #7; convert it: openssl pkcs7 -print_certs -in FILE -out FILE.pem");
  if (label !== undefined) throw new Refused(`this is a ${label}; give a certificate in PEM form`);
  throw notPem(text, "CERTIFICATE", "openssl x509 -inform der -in FILE -out FILE.pem");
}

function parseOne(pem: string, index: number, of: number): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    const which = of > 1 ? `certificate ${index + 1} of ${of}` : "the certificate";
    throw new Refused(`${which} is damaged; copy it anew, from its BEGIN line to its END line`);
  }
}

/**
 * The private key of a certificate.
 * @throws Refused, without a word of the key
 */
export function parseKey(text: string): { key: KeyObject; pem: string } {
  refuseEscapes(text);
  const blocks = pemBlocks(text);
  const block = blocks.find(({ label }) => label.endsWith("PRIVATE KEY"));
  if (!block) {
    const label = blocks[0]?.label;
    if (label?.endsWith("CERTIFICATE"))
      throw new Refused("this is a certificate; give the private key that belongs to it");
    if (label?.endsWith("PUBLIC KEY")) throw new Refused("this is a public key; give the private key");
    throw notPem(text, "PRIVATE KEY", "openssl pkey -inform der -in FILE -out FILE.pem");
  }
  if (block.label === "ENCRYPTED PRIVATE KEY" || /Proc-Type: 4,ENCRYPTED/.test(block.pem))
    throw new Refused(
      "the key is encrypted, and Prosody has nobody to ask for the passphrase; decrypt it: openssl pkey -in FILE -out FILE.plain (Pulumi encrypts it in the stack config)",
    );
  if (block.label === "OPENSSH PRIVATE KEY")
    throw new Refused("this is a key for SSH; give the private key that belongs to the certificate");
  let key: KeyObject;
  try {
    key = createPrivateKey(block.pem);
  } catch {
    throw new Refused("the key is damaged; copy it anew, from its BEGIN line to its END line");
  }
  const type = key.asymmetricKeyType ?? "";
  if (!["rsa", "ec", "ed25519", "ed448"].includes(type))
    throw new Refused(`a key of type ${type} can't serve TLS; make an RSA or an ECDSA key`);
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < 2048)
    throw new Refused(`an RSA key of ${bits} bits is refused by OpenSSL; make one of at least 2048 bits`);
  return { key, pem: block.pem };
}

/** A problem with the certificate of a domain; `option` names the one of its options that is wrong. */
interface CertificateProblem {
  option: "certificate" | "key" | "intermediates";
  message: string;
}

/**
 * What keeps clients and servers from accepting this certificate for the domain.
 * @param key `undefined` when it is missing or has problems of its own
 */
export function certificateProblems(
  domain: string,
  leaf: X509Certificate,
  key: KeyObject | undefined,
  intermediates: X509Certificate[],
  now: Date,
): CertificateProblem[] {
  if (leaf.ca && intermediates.some((certificate) => !certificate.ca && covers(certificate, domain))) {
    const message =
      "this is the certificate of an authority, and the domain's is among the intermediates; exchange them";
    return [{ option: "certificate", message }];
  }
  const problems: CertificateProblem[] = [];
  const report = (option: CertificateProblem["option"], message: string | undefined) =>
    message !== undefined && problems.push({ option, message });
  report("certificate", nameProblem(domain, leaf));
  report("certificate", dateProblem("the certificate", leaf, now));
  if (key && !leaf.checkPrivateKey(key))
    report("key", "the key does not belong to the certificate; give the one that it was requested with");
  report("intermediates", chainProblem([leaf, ...intermediates]));
  for (const certificate of intermediates)
    report("intermediates", dateProblem(`the certificate of ${nameOf(certificate)}`, certificate, now));
  return problems;
}

/** True when a client that looks for `name` accepts the certificate (RFC 6125: subject alternative names only). */
export function covers(certificate: X509Certificate, name: string): boolean {
  return certificate.checkHost(name, { subject: "never", partialWildcards: false }) !== undefined;
}

/** Copies dropped: a full chain, or a bundle given twice, repeats certificates. */
export function distinct(certificates: X509Certificate[]): X509Certificate[] {
  const seen = new Set<string>();
  return certificates.filter(({ fingerprint256 }) => !seen.has(fingerprint256) && seen.add(fingerprint256));
}

/** The authority that is missing for clients to get from this chain to a public root; `undefined` when none is. */
export function missingIssuer(chain: X509Certificate[]): string | undefined {
  const last = chain.at(-1);
  if (!last || last.checkIssued(last)) return undefined;
  publicRoots ??= new Set(rootCertificates.map((pem) => new X509Certificate(pem).subject));
  return publicRoots.has(last.issuer) ? undefined : commonName(last.issuer);
}

let publicRoots: Set<string> | undefined;

/** The names that a certificate is for, as far as XMPP looks at them. */
export function namesOf(certificate: X509Certificate): string[] {
  return [...(certificate.subjectAltName ?? "").matchAll(/DNS:([^,\s]+)/g)].map(([, name]) => name!);
}

function nameProblem(domain: string, leaf: X509Certificate): string | undefined {
  if (covers(leaf, domain)) return undefined;
  const names = namesOf(leaf);
  if (names.length > 0)
    return `it is for ${either(names, "and")}, not for ${domain}; ask for one with ${domain} among its subject alternative names (of the domain, not of the host)`;
  return `it has no subject alternative name, which clients require since RFC 6125; ask for one with ${domain} among them`;
}

function dateProblem(what: string, certificate: X509Certificate, now: Date): string | undefined {
  const [from, to] = [new Date(certificate.validFrom), new Date(certificate.validTo)];
  if (now > to) return `${what} expired on ${day(to)}; renew it`;
  if (now < from)
    return `${what} is not valid before ${day(from)}; wait, or correct the clock of this machine (${day(now)})`;
  return undefined;
}

/** Whole days until the certificate expires. */
export function daysLeft(certificate: X509Certificate, now: Date): number {
  return Math.floor((new Date(certificate.validTo).getTime() - now.getTime()) / 86_400_000);
}

/** Each certificate has to be issued by the next one. */
function chainProblem(chain: X509Certificate[]): string | undefined {
  const [leaf, ...given] = chain;
  if (!leaf || chain.every((one, index) => index === 0 || issued(chain[index - 1]!, one))) return undefined;
  const ordered = [leaf];
  const rest = [...given];
  for (;;) {
    const next = rest.findIndex((one) => issued(ordered.at(-1)!, one));
    if (next < 0) break;
    ordered.push(...rest.splice(next, 1));
  }
  const names = ordered.slice(1).map(nameOf);
  if (rest.length === 0)
    return `they are in the wrong order; the right one, the one nearest the root last: ${names.join(", ")}`;
  const last = ordered.at(-1)!;
  const foreign = either(rest.map(nameOf), "and");
  if (last.checkIssued(last)) return `${foreign} does not belong to this chain; leave it out`;
  return `${nameOf(last)} was issued by ${commonName(last.issuer)}, which is missing here; add it, and leave out what does not belong to this chain: ${foreign}`;
}

function issued(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

export function nameOf(certificate: X509Certificate): string {
  return commonName(certificate.subject) || namesOf(certificate)[0] || "a certificate without a name";
}

function commonName(name: string | undefined): string {
  const parts = (name ?? "").split("\n");
  return (parts.find((part) => part.startsWith("CN=")) ?? parts.at(-1) ?? "").replace(/^[A-Za-z]+=/, "");
}

export function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function pemBlocks(text: string): { label: string; pem: string }[] {
  return [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g)].map(([pem, label]) => ({
    label: label!,
    pem: `${pem.replace(/^[ \t]+/gm, "")}\n`,
  }));
}

function refuseEscapes(text: string): void {
  if (text.includes("\\n"))
    throw new Refused('its line breaks are the two characters \\n; in YAML, use "|" and an indented block');
}

function notPem(text: string, label: string, convert: string): Refused {
  if (text.trim() === "") return new Refused("it is empty");
  if (text.includes("-----BEGIN"))
    return new Refused(`its END line is missing; copy it anew, down to -----END ${label}-----`);
  return new Refused(
    `this is no PEM, which begins with -----BEGIN ${label}-----; if it is DER, convert it: ${convert}`,
  );
}

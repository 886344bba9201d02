import { type X509Certificate as Certificate, createHash, X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { run } from "./command";
import { withLock } from "./lock";
import { paths } from "./paths";

export interface CertificateOptions {
  /** Days from now until it expires; negative for one that has expired. Default 365. */
  expiresInDays?: number;
  /** DNS names; default: the domain, its usual components, and a wildcard. */
  names?: string[];
}

export interface CertificateFiles {
  /** The domain's certificate alone, PEM. */
  certificateFile: string;
  /** Its private key, PEM. */
  keyFile: string;
  /** The intermediate authority's certificate, which a server sends along. */
  intermediateFile: string;
  /** The lab's root authority, which clients of the lab trust. */
  caFile: string;
}

const components = ["conference", "upload", "proxy", "pubsub", "xmpp", "www"];
const day = 86_400_000;

/**
 * A certificate (EC P-256) of the lab's own authority: root → intermediate → domain. It is kept, and made anew
 * when less than 30 days are left.
 */
export async function certificate(
  domain: string,
  options: CertificateOptions = {},
): Promise<CertificateFiles> {
  if (!/^[a-z0-9.-]+$/.test(domain)) throw new Error(`Domain ${JSON.stringify(domain)} is no DNS name.`);
  const days = options.expiresInDays ?? 365;
  const names = options.names ?? [domain, ...components.map((name) => `${name}.${domain}`), `*.${domain}`];
  const stem = paths.certificate(fileName(domain, options));
  const lock = paths.lock("certificates");
  return withLock(lock, "Waiting for another process that makes certificates.", async () => {
    const root = await authority("root", undefined);
    const intermediate = await authority("intermediate", root);
    const files = { certificateFile: `${stem}.crt`, keyFile: `${stem}.key` };
    if (!(await isGood(files.certificateFile, intermediate, Math.min(30, days - 1))))
      await issue(stem, domain, intermediate, days, [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=serverAuth,clientAuth",
        `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}`,
      ]);
    return { ...files, intermediateFile: `${intermediate}.crt`, caFile: `${root}.crt` };
  });
}

/** `domain`, or with a hash of what was asked for beyond it. */
function fileName(domain: string, options: CertificateOptions): string {
  const asked = [options.expiresInDays, options.names];
  if (asked.every((option) => option === undefined)) return domain;
  return `${domain}-${createHash("sha256").update(JSON.stringify(asked)).digest("hex").slice(0, 8)}`;
}

/** The path stem of an authority's certificate and key, which lasts ten years. */
async function authority(name: "root" | "intermediate", issuer: string | undefined): Promise<string> {
  const stem = paths.authority(name);
  if (!(await isGood(`${stem}.crt`, issuer ?? stem, 400)))
    await issue(stem, `prosody-pulumi lab ${name}`, issuer, 3650, [
      `basicConstraints=critical,CA:TRUE${issuer ? ",pathlen:0" : ""}`,
      "keyUsage=critical,keyCertSign,cRLSign",
      "subjectKeyIdentifier=hash",
    ]);
  return stem;
}

/** Whether a certificate is there, from that issuer, and has more than so many days left. */
async function isGood(file: string, issuer: string, days: number): Promise<boolean> {
  if (!existsSync(file) || !existsSync(file.replace(/crt$/, "key"))) return false;
  const [own, from] = await Promise.all([read(file), read(`${issuer}.crt`)]);
  return own.checkIssued(from) && Date.parse(own.validTo) - Date.now() > days * day;
}

async function read(file: string): Promise<Certificate> {
  return new X509Certificate(await readFile(file));
}

/**
 * Makes `stem`.key and `stem`.crt. `openssl ca` is the one command of OpenSSL that sets both dates in every
 * version, so that expired certificates can be made; its book-keeping goes into a directory that is thrown away.
 */
async function issue(
  stem: string,
  subject: string,
  issuer: string | undefined,
  days: number,
  extensions: string[],
): Promise<void> {
  await mkdir(dirname(stem), { recursive: true });
  const work = await mkdtemp(join(tmpdir(), "prosody-lab-"));
  const file = (name: string) => join(work, name);
  try {
    await run("openssl", [
      "genpkey",
      "-algorithm",
      "EC",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-out",
      file("key"),
    ]);
    await run("openssl", [
      "req",
      "-new",
      "-key",
      file("key"),
      "-subj",
      `/CN=${subject}`,
      "-out",
      file("csr"),
    ]);
    await writeFile(file("index"), "");
    await writeFile(file("extensions"), `${extensions.join("\n")}\nauthorityKeyIdentifier=keyid\n`);
    await writeFile(
      file("config"),
      `[ca]\ndefault_ca=lab\n[lab]\ndatabase=${file("index")}\nnew_certs_dir=${work}\nrand_serial=yes\n` +
        "default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n",
    );
    const end = Date.now() + days * day;
    const start = Math.min(Date.now() - day, end - 365 * day);
    await run("openssl", [
      ...["ca", "-batch", "-notext", "-config", file("config"), "-in", file("csr"), "-out", file("crt")],
      ...["-extfile", file("extensions"), "-startdate", asn1(start), "-enddate", asn1(end)],
      ...(issuer
        ? ["-cert", `${issuer}.crt`, "-keyfile", `${issuer}.key`]
        : ["-selfsign", "-keyfile", file("key")]),
    ]);
    for (const kind of ["key", "crt"]) {
      await writeFile(`${stem}.${kind}.new`, await readFile(file(kind)), {
        mode: kind === "key" ? 0o600 : 0o644,
      });
      await rename(`${stem}.${kind}.new`, `${stem}.${kind}`);
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Milliseconds since 1970 as ASN.1 GeneralizedTime. */
const asn1 = (time: number) => `${new Date(time).toISOString().replace(/[-:T]|\.\d+/g, "")}`;

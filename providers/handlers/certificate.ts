import { createHash, X509Certificate } from "node:crypto";
import { certificateProblems, parseCertificates, parseKey } from "../../config/certificates";
import type { CertificateInputs, CertificateState } from "../certificate";
import { type CertificateFile, type CertificateFiles, certificateFiles } from "../facts/certificates";
import type { Handler } from "../handler";
import type { Host } from "../host";
import { loadCertificates, removeFiles, writeFiles } from "./certificate-files";

interface Change {
  inputs: CertificateInputs;
  written?: CertificateState["written"];
}

/** Certificate and key of one virtual host. */
export const certificateHandler: Handler<CertificateInputs, CertificateState> = {
  inputs: ["domain", "chain", "key", "mode", "owner", "live"],
  replaceOn: ["server", "domain"],

  id: ({ domain }) => domain,

  check: (inputs) => [
    ...malformed(
      "domain",
      inputs.domain,
      /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/,
      "no domain in lower-case A-labels",
    ),
    ...malformed("mode", inputs.mode, /^0[0-7]{3}$/, "no mode of four octal digits, e.g. 0640"),
    ...malformed("owner", inputs.owner, /^[a-z_][\w-]*:[a-z_][\w-]*$/, "no USER:GROUP"),
    ...pairProblems(inputs),
  ],

  create: (host, inputs) => host.group("certificates write", { inputs }, (changes) => bring(host, changes)),

  async read(host, state) {
    const known = await host.fact(certificateFiles);
    const { crt, key } = filesOf(known, state.domain);
    if (!crt && !key) return undefined;
    return {
      ...state,
      chain: crt?.content ?? "",
      key: key?.content ?? "",
      mode: both(crt?.mode, key?.mode),
      owner: both(crt?.owner, key?.owner),
      live: !known.pending,
      expires: expiry(crt?.content ?? ""),
    };
  },

  update: (host, { written }, inputs) =>
    host.group("certificates write", { inputs, written }, (changes) => bring(host, changes)),

  delete: (host, { domain }) =>
    host.group("certificates remove", domain, async (domains) => {
      await removeFiles(host, domains.flatMap(namesOf));
      return domains.map(() => undefined);
    }),
};

/** Writes what differs of all certificates at once, and has the server load them once. */
async function bring(host: Host, changes: Change[]): Promise<CertificateState[]> {
  const known = await host.fact(certificateFiles);
  const different = changes.filter(({ inputs }) => !isThere(known, inputs));
  if (different.length > 0) await writeFiles(host, different.flatMap(filesToWrite));
  if (different.length > 0 || known.pending) await loadCertificates(host);
  return changes.map(({ inputs }) => ({
    ...inputs,
    expires: expiry(inputs.chain),
    written: { chain: sha256(inputs.chain), key: sha256(inputs.key) },
  }));
}

function isThere(known: CertificateFiles, { domain, chain, key, mode, owner }: CertificateInputs): boolean {
  const files = filesOf(known, domain);
  const same = (file: CertificateFile | undefined, content: string) =>
    file?.content === content && file.mode === mode && file.owner === owner;
  return same(files.crt, chain) && same(files.key, key);
}

function filesToWrite({ inputs: { domain, chain, key, mode, owner }, written }: Change) {
  const [crtName, keyName] = namesOf(domain);
  return [
    { name: crtName, content: chain, mode, owner, written: written?.chain },
    { name: keyName, content: key, mode, owner, written: written?.key },
  ];
}

function namesOf(domain: string): [string, string] {
  return [`${domain}.crt`, `${domain}.key`];
}

function filesOf(
  { files }: CertificateFiles,
  domain: string,
): { crt?: CertificateFile; key?: CertificateFile } {
  const [crt, key] = namesOf(domain).map((name) => (Object.hasOwn(files, name) ? files[name] : undefined));
  return { crt, key };
}

/** One value for both files, or the two of them where they differ. */
function both(crt: string | undefined, key: string | undefined): string {
  return crt === undefined || key === undefined || crt === key ? (crt ?? key)! : `${crt}, key ${key}`;
}

function expiry(chain: string): string {
  try {
    return new Date(new X509Certificate(chain).validTo).toISOString();
  } catch {
    return "";
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function malformed(property: string, value: string, pattern: RegExp, what: string) {
  return pattern.test(value) ? [] : [{ property, reason: `${JSON.stringify(value)} is ${what}.` }];
}

/** The stack config was checked already; a pair that would switch TLS off must not come from anywhere else either. */
function pairProblems({ domain, chain, key }: CertificateInputs): { property: string; reason: string }[] {
  const read = <T>(property: string, parse: () => T) => {
    try {
      return { value: parse(), failures: [] };
    } catch (error) {
      return { failures: [{ property, reason: (error as Error).message }] };
    }
  };
  const certificates = read("chain", () => parseCertificates(chain));
  const privateKey = read("key", () => parseKey(key).key);
  const [leaf, ...intermediates] = certificates.value ?? [];
  const problems = leaf ? certificateProblems(domain, leaf, privateKey.value, intermediates, new Date()) : [];
  return [
    ...certificates.failures,
    ...privateKey.failures,
    ...problems.map(({ option, message }) => ({
      property: option === "key" ? "key" : "chain",
      reason: message,
    })),
  ];
}

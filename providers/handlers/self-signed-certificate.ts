import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { namesOf } from "../../config/certificates";
import { archiveDirectory } from "../archive";
import { clock } from "../facts/clock";
import { type Handler, unequal } from "../handler";
import type { Host } from "../host";
import { loadCertificates, pendingMark } from "../load-certificates";
import type { SelfSignedCertificateInputs, SelfSignedCertificateState } from "../self-signed-certificate";
import { type RemoteFile, readFiles, removeFiles } from "../ssh/files";
import { sh } from "../ssh/quote";

/** Days that it lasts, and days before its end when a new one is made. */
const lasts = 365;
const renewedBefore = 30;

const pathsOf = (domain: string) => ["crt", "key"].map((end) => `/etc/prosody/certs/${domain}.${end}`);

/** A certificate that the host makes itself. */
export const selfSignedCertificateHandler: Handler<SelfSignedCertificateInputs, SelfSignedCertificateState> =
  {
    inputs: ["domain", "names", "flaw", "certificate"],
    replaceOn: ["server", "domain"],

    id: ({ domain }) => domain,

    check: ({ domain, names }) =>
      [domain, ...names]
        .filter((name) => !/^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(name))
        .map((name) => ({ property: "names", reason: `${JSON.stringify(name)} is no domain.` })),

    complete: (inputs, old) => (old?.certificate ? { ...inputs, certificate: old.certificate } : inputs),

    diff: (state, inputs) => unequal(["server", "domain", "names", "flaw"] as const, state, inputs),

    async create(host, inputs) {
      const there = await loaded(host, await look(host, inputs.domain));
      return good(there, inputs) ?? make(host, inputs);
    },

    async read(host, state) {
      const there = await look(host, state.domain);
      return there && { ...state, ...there };
    },

    async update(host, _state, inputs) {
      let there = await look(host, inputs.domain);
      if (there?.flaw === wrongMode) {
        await setMode(host, inputs.domain);
        there = await look(host, inputs.domain);
      }
      return good(await loaded(host, there), inputs) ?? make(host, inputs);
    },

    async delete(host, state) {
      const there = await look(host, state.domain);
      if (there?.certificate === state.certificate) await removeFiles(host, pathsOf(state.domain));
    },
  };

const notLoaded = "the running server has not loaded it";
const wrongMode = "its files are not 0640 root:prosody";

type There = Pick<SelfSignedCertificateState, "names" | "flaw" | "expires" | "certificate">;

async function look(host: Host, domain: string): Promise<There | undefined> {
  const [now, files] = await Promise.all([
    host.fact(clock),
    readFiles(host, [...pathsOf(domain), pendingMark]),
  ]);
  const [chain, key] = pathsOf(domain).map((path) => files.get(path));
  if (!chain && !key) return undefined;
  const certificate = createHash("sha256")
    .update(chain?.content ?? "")
    .digest("hex");
  try {
    const leaf = new X509Certificate(chain!.content);
    const expires = new Date(leaf.validTo).toISOString();
    const flaw = flawOf(leaf, now, chain!, key!) || (files.get(pendingMark) ? notLoaded : "");
    return { names: namesOf(leaf).sort(), expires, certificate, flaw };
  } catch {
    return { names: [], expires: "", certificate, flaw: "a file is missing or damaged" };
  }
}

/** @throws Error when the key is damaged */
function flawOf(leaf: X509Certificate, now: number, ...files: [RemoteFile, RemoteFile]): string {
  const days = Math.floor((Date.parse(leaf.validTo) - now) / 86_400_000);
  if (!leaf.checkPrivateKey(createPrivateKey(files[1].content))) return "the key is another's";
  if (!leaf.verify(leaf.publicKey)) return "it is not self-signed";
  // Made while the host's clock was ahead.
  if (Date.parse(leaf.validFrom) > now) return `it is not valid before ${leaf.validFrom}`;
  if (days < renewedBefore) return `it expires in ${days} days`;
  if (files.some(({ mode, owner, group }) => `${mode} ${owner}:${group}` !== "0640 root:prosody"))
    return wrongMode;
  return "";
}

function good(there: There | undefined, inputs: SelfSignedCertificateInputs) {
  const isGood = there?.flaw === "" && isDeepStrictEqual(there.names, inputs.names);
  return isGood ? { ...inputs, ...there } : undefined;
}

async function setMode(host: Host, domain: string): Promise<void> {
  await host.run(sh`chown root:prosody ${pathsOf(domain)} && chmod 0640 ${pathsOf(domain)}`, {
    doing: `hiding the key of ${domain}`,
    changes: true,
  });
}

/** Loads what was not loaded. The mark is that of all certificates: afterwards it says nothing of this one. */
async function loaded(host: Host, there: There | undefined): Promise<There | undefined> {
  if (there?.flaw !== notLoaded) return there;
  await loadCertificates(host);
  return { ...there, flaw: "" };
}

/** On the host, so that the key is nowhere else. */
async function make(host: Host, inputs: SelfSignedCertificateInputs): Promise<SelfSignedCertificateState> {
  const [chain, key] = pathsOf(inputs.domain) as [string, string];
  const names = inputs.names.map((name) => `DNS:${name}`).join(",");
  await host.run(
    sh`umask 077
cd /etc/prosody/certs || exit 1
work=$(mktemp -d .new.XXXXXX) && trap 'rm -rf "$work"' EXIT || exit 1
for file in ${chain} ${key}; do
  [ ! -e "$file" ] || { install -d -m 0700 ${archiveDirectory} && cp "$file" ${archiveDirectory}"/$(basename "$file")-$(date -u +%Y%m%dT%H%M%SZ)"; } || exit 1
done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days ${lasts} -subj ${`/CN=${inputs.domain.slice(0, 64)}`} -addext ${`subjectAltName=${names}`} -keyout "$work/key" -out "$work/crt" 2>&1 &&
chown root:prosody "$work"/* && chmod 0640 "$work"/* && : > ${pendingMark} && mv -fT "$work/crt" ${chain} && mv -fT "$work/key" ${key}`,
    {
      doing: `making a certificate for ${inputs.domain}`,
      changes: true,
      fix: "Are Prosody and openssl installed on the host?",
    },
  );
  await loadCertificates(host);
  const there = await look(host, inputs.domain);
  if (!there)
    throw new Error(
      `the certificate of ${inputs.domain} is not where it was made, in /etc/prosody/certs. See whether something on the host moves it away, then run this again.`,
    );
  // Another certificate may have been made meanwhile, or the configuration is put right after this one.
  return { ...inputs, ...there, flaw: there.flaw === notLoaded ? "" : there.flaw };
}

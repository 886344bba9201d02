import { createHash, X509Certificate } from "node:crypto";
import { certificateProblems, parseCertificates, parseKey } from "../../config/certificates";
import { archiveDirectory } from "../archive";
import type { CertificateInputs, CertificateState } from "../certificate";
import type { Handler } from "../handler";
import type { Host } from "../host";
import { loadCertificates, pendingMark } from "../load-certificates";
import { type RemoteFile, readFiles, removeFiles, type WantedFile, writeFiles } from "../ssh/files";
import { sh } from "../ssh/quote";

/**
 * Where Prosody looks for certificates, by host name (https://prosody.im/doc/certificates). In the Fedora family
 * it is a link to /etc/pki/prosody.
 */
const directory = "/etc/prosody/certs";

type Files = Map<string, RemoteFile | undefined>;

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
    const files = await readFiles(host, [...pathsOf(state.domain), pendingMark]);
    const [chain, key] = pathsOf(state.domain).map((path) => files.get(path));
    if (!chain && !key) return undefined;
    return {
      ...state,
      chain: chain?.content ?? "",
      key: key?.content ?? "",
      mode: both(chain?.mode, key?.mode),
      owner: both(chain && ownerOf(chain), key && ownerOf(key)),
      live: !files.get(pendingMark),
      expires: expiry(chain?.content ?? ""),
    };
  },

  update: (host, { written }, inputs) =>
    host.group("certificates write", { inputs, written }, (changes) => bring(host, changes)),

  /** A domain whose certificate comes from elsewhere by now has that one already: what nobody knew of stays. */
  delete: (host, state) =>
    host.group("certificates remove", state, async (states) => {
      const files = await readFiles(
        host,
        states.flatMap(({ domain }) => pathsOf(domain)),
      );
      const ours = states.flatMap(({ domain, chain, key }) => {
        const [chainPath, keyPath] = pathsOf(domain);
        return [
          ...(files.get(chainPath)?.content === chain ? [chainPath] : []),
          ...(files.get(keyPath)?.content === key ? [keyPath] : []),
        ];
      });
      await archive(host, ours, files);
      await removeFiles(host, ours);
      return states.map(() => undefined);
    }),
};

/**
 * Writes what differs of all certificates in one go, each file complete before the first one takes its place, so that
 * a reload meets no pair that does not match; then has the server load them once.
 */
async function bring(host: Host, changes: Change[]): Promise<CertificateState[]> {
  const paths = changes.flatMap(({ inputs }) => pathsOf(inputs.domain));
  const files = await readFiles(host, [...paths, pendingMark]);
  const different = changes.filter(
    ({ inputs }) => !wantedFiles(inputs).every((file) => isThere(file, files)),
  );
  if (different.length > 0) {
    await archive(
      host,
      different.flatMap((change) => foreign(change, files)),
      files,
    );
    await writeFiles(host, [mark, ...different.flatMap(({ inputs }) => wantedFiles(inputs))]);
  }
  if (different.length > 0 || files.get(pendingMark)) await loadCertificates(host);
  return changes.map(({ inputs }) => ({
    ...inputs,
    expires: expiry(inputs.chain),
    written: { chain: sha256(inputs.chain), key: sha256(inputs.key) },
  }));
}

const mark: WantedFile = { path: pendingMark, content: "", mode: "0644", owner: "root", group: "root" };

/** Paths of the certificate and of the key. */
function pathsOf(domain: string): [string, string] {
  return [`${directory}/${domain}.crt`, `${directory}/${domain}.key`];
}

function wantedFiles({ domain, chain, key, mode, owner: names }: CertificateInputs): WantedFile[] {
  const [chainPath, keyPath] = pathsOf(domain);
  const [owner = "", group = ""] = names.split(":");
  return [
    { path: chainPath, content: chain, mode, owner, group, makeDirectories: true },
    { path: keyPath, content: key, mode, owner, group, makeDirectories: true },
  ];
}

function isThere(wanted: WantedFile, files: Files): boolean {
  const file = files.get(wanted.path);
  return file?.content === wanted.content && file.mode === wanted.mode && ownerOf(file) === ownerOf(wanted);
}

function ownerOf({ owner, group }: RemoteFile): string {
  return `${owner}:${group}`;
}

/** Paths whose content is neither the wanted one nor what the stack wrote last: somebody's own. */
function foreign({ inputs, written }: Change, files: Files): string[] {
  const [chainPath, keyPath] = pathsOf(inputs.domain);
  const isForeign = (path: string, wanted: string, last: string | undefined) => {
    const content = files.get(path)?.content;
    return content !== undefined && content !== wanted && sha256(content) !== last;
  };
  return [
    ...(isForeign(chainPath, inputs.chain, written?.chain) ? [chainPath] : []),
    ...(isForeign(keyPath, inputs.key, written?.key) ? [keyPath] : []),
  ];
}

async function archive(host: Host, paths: string[], files: Files): Promise<void> {
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const copies = paths.flatMap((path) => {
    const file = files.get(path);
    const copy = `${archiveDirectory}/${path.slice(directory.length + 1)}-${stamp}`;
    return file ? [{ path: copy, content: file.content, mode: "0600", owner: "root", group: "root" }] : [];
  });
  if (copies.length === 0) return;
  await host.run(sh`install -d -m 0700 ${archiveDirectory}`, {
    doing: `making ${archiveDirectory}`,
    changes: true,
  });
  await writeFiles(host, copies);
}

/** One value for both files, or the two of them where they differ. */
function both(chain: string | undefined, key: string | undefined): string {
  return chain === undefined || key === undefined || chain === key ? (chain ?? key)! : `${chain}, key ${key}`;
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

import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { archiveDirectory } from "../archive";
import { type Coturn, configs, coturn } from "../facts/coturn";
import type { Handler } from "../handler";
import type { Host } from "../host";
import { reloadTurn } from "../load-certificates";
import { type RemoteFile, readFiles, removeFiles, type WantedFile, writeFiles } from "../ssh/files";
import { raw, sh } from "../ssh/quote";
import type { TurnServerInputs, TurnServerState } from "../turn-server";
import { isSound, withHostLines, withoutHostLines } from "../turn-text";

/** Copies of a virtual host's certificate and key that coturn's user may read; its configuration names them. */
const copies = { chain: "/etc/turnserver/tls.crt", key: "/etc/turnserver/tls.key" };

/** Put there together with changed files, removed once coturn runs them; a reboot removes it, too. */
const pendingMark = "/run/prosody-pulumi-turn-not-live";

/** What was there before the stack. */
const originals = {
  config: `${archiveDirectory}/turnserver.conf.original`,
  chain: `${archiveDirectory}/turnserver-tls.crt.original`,
  key: `${archiveDirectory}/turnserver-tls.key.original`,
};

type Files = Map<string, RemoteFile | undefined>;

/** coturn's configuration and certificate. */
export const turnServerHandler: Handler<TurnServerInputs, TurnServerState> = {
  inputs: ["config", "secret", "domain", "certificate", "ports", "live"],

  id: () => "coturn",

  // Without one where what makes it failed, and the up goes on with other servers.
  check: ({ secret }: Partial<TurnServerInputs>) =>
    secret === undefined || isSound(secret)
      ? []
      : [{ property: "secret", reason: "it has at least 16 letters, digits, - and _." }],

  create: (host, inputs) => bring(host, inputs),

  async read(host, state) {
    const [found, files] = await Promise.all([host.fact(coturn), look(host, state.domain)]);
    const file = files.get(found.config);
    if (!file) return undefined;
    const { config, secret } = withoutHostLines(file.content, found.addresses);
    return {
      ...state,
      config,
      secret,
      certificate: served(files, found),
      live: !files.get(pendingMark),
      addresses: found.addresses,
    };
  },

  update: (host, state, inputs) => bring(host, inputs, state.domain),

  async delete(host, state) {
    const { config } = await host.fact(coturn);
    const files = await readFiles(host, [config]);
    await host.run(
      sh`${raw(there)}
rm -f ${pendingMark}
${raw(state.domain || hasCopies(files.get(config)) ? putCopiesBack : "")}
[ -e ${config} ] || {
  [ ! -e ${originals.config} ] || mv ${originals.config} ${originals.config}"-$(date -u +%Y%m%dT%H%M%SZ)"
  exit 0
}
if there ${originals.config}; then mv -fT ${originals.config} ${config}; else rm -f ${config}; fi || exit 1
systemctl try-restart coturn.service || true`,
      { doing: "putting coturn's configuration back", timeout: 100, changes: true },
    );
  },
};

const source = (domain: string) => ({
  chain: `/etc/prosody/certs/${domain}.crt`,
  key: `/etc/prosody/certs/${domain}.key`,
});

/** An original may be a link that leads nowhere from where it is kept. */
const there = `there() { [ -e "$1" ] || [ -L "$1" ]; }`;

/** A configuration of the stack's that has the copies served. */
function hasCopies(config: RemoteFile | undefined): boolean {
  return isOurs(config) && config!.content.includes(`\ncert=${copies.chain}\n`);
}

function isOurs(config: RemoteFile | undefined): boolean {
  return config?.content.includes("Kept by prosody-pulumi") ?? false;
}

/** Asked beside the fact that tells which of the places is in use, so that one does not wait for the other. */
function look(host: Host, domain: string): Promise<Files> {
  const certificates = domain ? [copies, source(domain)].flatMap(({ chain, key }) => [chain, key]) : [];
  return readFiles(host, [...configs, pendingMark, ...certificates]);
}

/** SHA-256 of the chain that coturn serves, "differs" when it can't serve it. */
function served(files: Files, { group }: Coturn): string {
  const [chain, key] = [files.get(copies.chain), files.get(copies.key)];
  if (!chain && !key) return "";
  const isReadable = [chain, key].every((file) => file?.mode === "0640" && file.group === group);
  return isReadable && isPair(chain!.content, key!.content) ? sha256(chain!.content) : "differs";
}

function isPair(chain: string, key: string): boolean {
  try {
    return new X509Certificate(chain).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

function copiesOf(files: Files, domain: string, { group }: Coturn): WantedFile[] {
  const from = source(domain);
  return (["chain", "key"] as const).flatMap((part) => {
    const content = files.get(from[part])?.content;
    return content === undefined ? [] : [wantedFile(copies[part], content, group)];
  });
}

function wantedFile(path: string, content: string, group: string): WantedFile {
  return { path, content, mode: "0640", owner: "root", group, makeDirectories: true };
}

function isThere(wanted: WantedFile, files: Files): boolean {
  const file = files.get(wanted.path);
  return file?.content === wanted.content && file.mode === wanted.mode && file.group === wanted.group;
}

/**
 * Writes what differs and makes it live: a certificate alone without a word to those who talk, the rest by a restart.
 * @param before domain whose certificate was served, if any
 */
async function bring(host: Host, inputs: TurnServerInputs, before = ""): Promise<TurnServerState> {
  const found = await host.fact(coturn);
  if (!found.group)
    throw new Error("coturn is not installed. Install its package first, then run this again.");
  refuseTaken(found, inputs.ports);
  const files = await look(host, inputs.domain || before);
  const config = wantedFile(
    found.config,
    withHostLines(inputs.config, inputs.secret, found.addresses),
    found.group,
  );
  const tls = inputs.domain ? copiesOf(files, inputs.domain, found) : [];
  if (inputs.domain && tls.length < 2)
    throw new Error(
      `there is no certificate of ${inputs.domain} in /etc/prosody/certs for TURN over TLS. Run pulumi up, which installs it, or set prosody:ports.turnTls to false.`,
    );
  const different = [config, ...tls].filter((file) => !isThere(file, files));
  const isPending = files.get(pendingMark) !== undefined;
  if (different.length > 0) {
    await keepOriginals(host, found, files, different);
    await writeFiles(host, [mark, ...different]);
  }
  if (isPending || different.includes(config)) await restart(host, inputs.ports, different, files);
  else if (different.length > 0)
    await host.run(reloadTurn, { doing: "having coturn load its certificate", changes: true });
  // By the files, too: a run that was cut off has the configuration without them in place already.
  const areLeft = before !== "" && copiesOf(files, before, found).some((file) => isThere(file, files));
  if (!inputs.domain && (areLeft || hasCopies(files.get(found.config))))
    await host.run(putCopiesBack, { doing: "removing coturn's certificate", changes: true });
  if (isPending || different.length > 0) await removeFiles(host, [pendingMark]);
  return { ...inputs, addresses: found.addresses };
}

const mark: WantedFile = { path: pendingMark, content: "", mode: "0644", owner: "root", group: "root" };

function refuseTaken({ taken }: Coturn, ports: readonly number[]): void {
  const clashes = ports
    .flatMap((port) => [`udp ${port}`, `tcp ${port}`])
    .filter((port) => Object.hasOwn(taken, port))
    .map((port) => `${port.split(" ")[1]}/${port.split(" ")[0]} is taken by ${taken[port]}`);
  if (clashes.length > 0)
    throw new Error(
      `coturn's port ${clashes.join(", ")}; nothing was changed. Stop that, or choose another port (prosody:ports.turn, prosody:ports.turnTls).`,
    );
}

/** A copy is somebody's own where the configuration that was there is not the stack's, or has no certificate. */
async function keepOriginals(
  host: Host,
  { config }: Coturn,
  files: Files,
  different: readonly WantedFile[],
): Promise<void> {
  const before = files.get(config);
  const foreign = (["chain", "key"] as const).filter((part) =>
    different.some(({ path, content }) => {
      const there = path === copies[part] && !hasCopies(before) ? files.get(path) : undefined;
      return there !== undefined && there.content !== content;
    }),
  );
  const pairs = [
    ...(before === undefined || isOurs(before) ? [] : [[config, originals.config]]),
    ...foreign.map((part) => [copies[part], originals[part]]),
  ];
  if (pairs.length === 0) return;
  // In one step: on a full disk, half a copy would pass for the original in the next up.
  const keep = ([path, original]: string[]) => sh`if ! there ${original!}; then
  cp -a ${path!} ${original!}.part
  mv -fT ${original!}.part ${original!}
fi`;
  const start = sh`set -e
${raw(there)}
install -d -m 0700 ${archiveDirectory}`;
  await host.run([start, ...pairs.map(keep)].join("\n"), {
    doing: "keeping coturn's configuration",
    changes: true,
  });
}

/** The copies go, and what was in their place before the stack comes back. */
const putCopiesBack = `${there}
${sh`rm -f ${Object.values(copies)}`}
${(["chain", "key"] as const)
  .map((part) => sh`! there ${originals[part]} || mv -fT ${originals[part]} ${copies[part]} || exit 1`)
  .join("\n")}
rmdir /etc/turnserver 2>/dev/null || true`;

/** Its package starts coturn, and a service that is stopped is the affair of another resource. */
async function restart(
  host: Host,
  ports: readonly number[],
  written: readonly WantedFile[],
  before: Files,
): Promise<void> {
  const { code, stdout } = await host.run(restartScript, {
    doing: "restarting coturn",
    input: `${ports.join("\n")}\n`,
    accept: [0, 1],
    timeout: 100,
    changes: true,
  });
  if (code === 0) return;
  await writeFiles(
    host,
    written.flatMap(({ path }) => {
      const previous = before.get(path);
      return previous ? [{ ...previous, path }] : [];
    }),
  );
  await removeFiles(
    host,
    written.flatMap(({ path }) => (before.get(path) ? [] : [path])),
  );
  await host.run("systemctl reset-failed coturn.service; systemctl restart coturn.service || true", {
    doing: "restarting coturn with its previous configuration",
    timeout: 100,
    changes: true,
  });
  const journal = stdout.trim().replace(/^/gm, "  ");
  throw new Error(
    `coturn does not run with the new configuration, so the previous one is back. The end of its journal:\n${journal}\nFix: put right what the journal names (prosody:turn, prosody:ports.turn, prosody:ports.turnTls), then run this again.`,
  );
}

/** Input: a port per line, each of which coturn must have at last. */
export const restartScript = `# restart coturn
systemctl is-active -q coturn.service || exit 0
since=$(date +%s)
systemctl restart coturn.service && pid=$(systemctl show -p MainPID --value coturn.service) && {
  missing=
  while read -r port; do
    ss -Hlnup | grep -qE ":$port .*pid=$pid," && ss -Hlntp | grep -qE ":$port .*pid=$pid," || missing="$missing $port"
  done
  [ -n "$missing" ] || exit 0
  echo "it does not listen on port$missing"
}
journalctl --unit coturn --since "@$since" --output cat --no-pager | tail -n 12
exit 1`;

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

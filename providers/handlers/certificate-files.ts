import { adminShell, isUnavailable } from "../admin-shell";
import { certificateDirectory, pendingMark } from "../facts/certificates";
import type { Host } from "../host";
import { sh } from "../ssh/quote";

export interface FileToWrite {
  name: string;
  content: string;
  mode: string;
  owner: string;
  /** SHA-256 of what the stack wrote there last, if it did. */
  written?: string;
}

/** Where copies are kept of what is replaced or deleted, for root alone. */
const backups = "/var/backups/prosody-pulumi";

const archive = sh`stamp=$(date -u +%Y%m%dT%H%M%SZ)
archive() (
  umask 077
  mkdir -p ${backups}
  cat -- "$1" > ${backups}/"$1-$stamp"
)`;

/**
 * Writes certificates and keys. They are complete, with mode and owner, before the first one is put in place, and all
 * are put in place at once: a server that reloads meets no pair that does not match. Temporaries are made in the same
 * directory, where they get the right SELinux type.
 */
export async function writeFiles(host: Host, files: readonly FileToWrite[]): Promise<void> {
  const lines = files.map(({ name, content, mode, owner, written }) =>
    [name, mode, owner, written ?? "-", Buffer.from(content).toString("base64")].join(" "),
  );
  await host.run(
    `set -e
umask 077
${archive}
${sh`mkdir -p ${certificateDirectory}
cd ${certificateDirectory}
: > ${pendingMark}`}
names=
trap 'for name in $names; do rm -f -- ".$name.new"; done' EXIT
while read -r name mode owner written content; do
  names="$names $name"
  printf %s "$content" | base64 -d > ".$name.new"
  chown -- "$owner" ".$name.new"
  chmod -- "$mode" ".$name.new"
  if [ -f "$name" ] && ! cmp -s -- "$name" ".$name.new"; then
    sum=$(sha256sum < "$name")
    [ "\${sum%% *}" = "$written" ] || archive "$name"
  fi
done
for name in $names; do mv -fT -- ".$name.new" "$name"; done`,
    {
      doing: `writing ${files.map(({ name }) => name).join(", ")} in ${certificateDirectory}`,
      input: lines.map((line) => `${line}\n`).join(""),
      changes: true,
      fix: "See that Prosody is installed (it brings the group prosody) and that the file system has space.",
    },
  );
}

/** Removes files after keeping a copy; what is gone already is no error. */
export async function removeFiles(host: Host, names: readonly string[]): Promise<void> {
  await host.run(
    `set -e
${archive}
${sh`cd ${certificateDirectory} 2>/dev/null || exit 0
for name in ${names}; do`}
  if [ -f "$name" ]; then archive "$name"; fi
  rm -f -- "$name"
done`,
    { doing: `removing ${names.join(", ")} from ${certificateDirectory}`, changes: true },
  );
}

/**
 * Has a running server load the certificates; clients stay connected.
 * @throws Error when it can't, with Prosody's reason. The next run tries again.
 */
export async function loadCertificates(host: Host): Promise<void> {
  const doing = "having Prosody load the certificates";
  try {
    const [reply] = await adminShell(host, ["config:reload()"], { doing, changes: true });
    if (!reply?.ok)
      throw new Error(
        `the certificates are in place, but Prosody did not load them: ${reply?.text}\n` +
          "Fix: put right what it names (`prosodyctl check config` on the host), then run this again.",
      );
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    await signal(host, doing);
  }
  await host.run(sh`rm -f ${pendingMark}`, { doing: "noting that the certificates are live", changes: true });
}

/**
 * The way without the admin socket. A reload by signal tells no result, and kills a server that has only just been
 * started, before it handles the signal: so the configuration is checked first, and the process looked at.
 * `prosodyctl check config` exits with 1 for a configuration that Prosody can't read, with 2 for advice.
 */
async function signal(host: Host, doing: string): Promise<void> {
  await host.run(
    `pid=$(systemctl show -p MainPID --value prosody.service)
[ "\${pid:-0}" -gt 0 ] || exit 0
said=$(prosodyctl check config 2>&1) || [ $? -ne 1 ] || { echo "$said" >&2; exit 1; }
tries=50
until grep -sE '^Sig(Blk|Cgt):.*[13579bdf]$' "/proc/$pid/status" >/dev/null; do
  [ -e "/proc/$pid" ] || exit 0
  tries=$((tries - 1))
  [ $tries -gt 0 ] || { echo "process $pid does not take a reload" >&2; exit 1; }
  sleep 0.2
done
systemctl reload prosody.service`,
    {
      doing,
      changes: true,
      fix: "The certificates are in place. Put right what `prosodyctl check config` names, then run this again.",
    },
  );
}

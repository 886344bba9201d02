import { adminShell, isUnavailable } from "./admin-shell";
import { hangup } from "./facts/service";
import type { Host } from "./host";
import { readFiles, removeFiles } from "./ssh/files";
import { warnOnce } from "./warn";

/** Put there together with changed files, removed once the server has loaded them; a reboot removes it, too. */
export const pendingMark = "/run/prosody-pulumi-certificates-not-live";

/** Exit code of {@link reloadBySignal} where Prosody can't read its configuration. */
export const unreadable = 3;

/**
 * Has a running Prosody load its certificates anew, and takes the mark away; clients stay connected. Does nothing else
 * while the service is stopped.
 *
 * A configuration that Prosody can't read is no failure of the certificates: what puts it right comes after them, and
 * would not come about. The mark stays then, with a warning, for {@link loadPending}.
 * @throws Error when Prosody does not take a reload, or the host can't be asked
 */
export async function loadCertificates(host: Host): Promise<void> {
  const reason = await reload(host);
  if (reason === undefined) await removeFiles(host, [pendingMark]);
  else warnNotLoaded(host, reason);
}

/** Loads what could not be loaded before the configuration was put right. */
export async function loadPending(host: Host): Promise<void> {
  const files = await readFiles(host, [pendingMark]);
  if (files.get(pendingMark)) await loadCertificates(host);
}

export function warnNotLoaded(host: Host, reason: string): void {
  warnOnce(
    `${host.name}: the certificates are in place, but Prosody has not loaded them: ${reason.trim()}\n` +
      "They are loaded as soon as this update puts that right. If a preview afterwards still shows them, put right what `prosodyctl check config` names on the host, then run pulumi up again.",
  );
}

/** @returns why Prosody can't */
async function reload(host: Host): Promise<string | undefined> {
  const doing = "having Prosody load the certificates";
  try {
    const [reply] = await adminShell(host, ["config:reload()"], { doing, changes: true });
    return reply?.ok ? undefined : String(reply?.text);
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    const { code, stderr } = await host.run(reloadBySignal, {
      doing,
      accept: [0, unreadable],
      changes: true,
      fix: "The certificates are in place. See what Prosody is busy with (`systemctl status prosody`), then run this again.",
    });
    return code === 0 ? undefined : stderr;
  }
}

/**
 * The way without the admin socket. A reload by signal tells no result, and kills a server that has only just been
 * started and does not handle SIGHUP yet: so the configuration is checked first, and the process looked at.
 * `prosodyctl check config` exits with 1 for a configuration that Prosody can't read, and with 2 for advice.
 */
export const reloadBySignal = `pid=$(systemctl show -p MainPID --value prosody.service)
[ "\${pid:-0}" -gt 0 ] || exit 0
said=$(prosodyctl check config 2>&1) || [ $? -ne 1 ] || { echo "$said" >&2; exit ${unreadable}; }
tries=50
status=/proc/$pid/status
until ! grep -sqE '${hangup.systemdsChild}' "$status" && grep -sqE '${hangup.handled}' "$status"; do
  [ -e "/proc/$pid" ] || exit 0
  tries=$((tries - 1))
  [ $tries -gt 0 ] || { echo "process $pid does not take a reload" >&2; exit 1; }
  sleep 0.2
done
systemctl reload prosody.service`;

/** SIGUSR2: coturn loads certificate and key anew, calls go on. */
export const reloadTurn = "systemctl kill --kill-whom=main -s USR2 coturn.service || true";

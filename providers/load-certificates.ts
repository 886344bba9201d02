import { adminShell, isUnavailable } from "./admin-shell";
import { hangup } from "./facts/service";
import type { Host } from "./host";

/** Put there together with changed files, removed once the server has loaded them; a reboot removes it, too. */
export const pendingMark = "/run/prosody-pulumi-certificates-not-live";

/**
 * Has a running Prosody load its certificates anew; clients stay connected. Does nothing while the service is stopped.
 * @throws Error when it can't, with Prosody's reason
 */
export async function loadCertificates(host: Host): Promise<void> {
  const doing = "having Prosody load the certificates";
  try {
    const [reply] = await adminShell(host, ["config:reload()"], { doing, changes: true });
    if (reply?.ok) return;
    throw new Error(
      `the certificates are in place, but Prosody did not load them: ${reply?.text}\n` +
        "Fix: put right what it names (`prosodyctl check config` on the host), then run this again.",
    );
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    await host.run(reloadBySignal, {
      doing,
      changes: true,
      fix: "The certificates are in place. Put right what `prosodyctl check config` names, then run this again.",
    });
  }
}

/**
 * The way without the admin socket. A reload by signal tells no result, and kills a server that has only just been
 * started and does not handle SIGHUP yet: so the configuration is checked first, and the process looked at.
 * `prosodyctl check config` exits with 1 for a configuration that Prosody can't read, and with 2 for advice.
 */
export const reloadBySignal = `pid=$(systemctl show -p MainPID --value prosody.service)
[ "\${pid:-0}" -gt 0 ] || exit 0
said=$(prosodyctl check config 2>&1) || [ $? -ne 1 ] || { echo "$said" >&2; exit 1; }
tries=50
status=/proc/$pid/status
until ! grep -sqE '${hangup.systemdsChild}' "$status" && grep -sqE '${hangup.handled}' "$status"; do
  [ -e "/proc/$pid" ] || exit 0
  tries=$((tries - 1))
  [ $tries -gt 0 ] || { echo "process $pid does not take a reload" >&2; exit 1; }
  sleep 0.2
done
systemctl reload prosody.service`;

/**
 * A shell command: `ss` with these options, and the service of each process that it names, since few know what
 * beam.smp is. For {@link servicesIn}.
 */
export const listeningSockets = (options: string): string => `sockets=$(ss ${options}); echo "$sockets"
grep -soE '[^/:]+\\.service' /dev/null $(echo "$sockets" | grep -oE 'pid=[0-9]+' | sort -u | sed 's|pid=\\(.*\\)|/proc/\\1/cgroup|')
true`;

/** Process → its service, from what {@link listeningSockets} prints; the innermost where services are nested. */
export function servicesIn(stdout: string): Map<string, string> {
  return new Map(
    [...stdout.matchAll(/^\/proc\/(\d+)\/cgroup:(.+)$/gm)].map(([, pid, service]) => [pid!, service!]),
  );
}

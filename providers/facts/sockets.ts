/** A socket of the host on which a program awaits connections, or datagrams. */
export interface ListeningSocket {
  protocol: "tcp" | "udp";
  /** Without brackets; "*" for all of both families. */
  address: string;
  port: number;
  /** Those who have it; none where ss names nobody. */
  holders: { program: string; pid: number; service?: string }[];
}

/**
 * A line of shell script: `ss` with these options, and the service of each process that it names, since few know what
 * beam.smp is. For {@link parseSockets}.
 */
export const listeningSockets = (options: string): string =>
  `sockets=$(ss ${options}); echo "$sockets"; ` +
  `grep -soE '[^/:]+\\.service' /dev/null $(echo "$sockets" | grep -oE 'pid=[0-9]+' | sort -u | sed 's|pid=\\(.*\\)|/proc/\\1/cgroup|'); true`;

/**
 * What {@link listeningSockets} prints, among other lines; of nested services the innermost. ss leaves the protocol out
 * where it was asked for TCP alone.
 */
export function parseSockets(stdout: string): ListeningSocket[] {
  const services = new Map(
    [...stdout.matchAll(/^\/proc\/(\d+)\/cgroup:(.+)$/gm)].map(([, pid, service]) => [pid!, service!]),
  );
  const sockets = /^(?:(tcp|udp) +)?(?:LISTEN|UNCONN) +\d+ +\d+ +(\S*):(\d+) +\S+(.*)$/gm;
  return [...stdout.matchAll(sockets)].map(([, protocol = "tcp", address, port, holders]) => ({
    protocol: protocol as "tcp" | "udp",
    address: address!.replace(/[[\]]/g, ""),
    port: Number(port),
    holders: [...holders!.matchAll(/\("([^"]*)",pid=(\d+)/g)].map(([, program, pid]) => ({
      program: program!,
      pid: Number(pid),
      service: services.get(pid!),
    })),
  }));
}

/** As an error names who has it. */
export function holderOf({ holders: [holder] }: ListeningSocket): string {
  if (!holder) return "another program";
  return holder.service ? `${holder.program} (${holder.service})` : holder.program;
}

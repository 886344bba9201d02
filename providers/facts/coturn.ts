import type { Fact } from "../host";

/** Where a host has coturn, and by which addresses it is reached. */
export interface Coturn {
  /** Path of its configuration. */
  config: string;
  /** The group that it runs as, which its files are for; "" where coturn is not installed. */
  group: string;
  /** The host's own addresses, without those of loopback and link. */
  addresses: string[];
  /** Ports that other programs have, as "udp 3478" → name of the program. */
  taken: Record<string, string>;
}

/** Where its configuration can be: with the Fedora family's package, with Debian's. */
export const configs = ["/etc/coturn/turnserver.conf", "/etc/turnserver.conf"] as const;

/**
 * Which configuration is in use, the unit says: with Debian's package, too, people keep certificates in /etc/coturn.
 * Where there is no unit, the file itself does. Temporary addresses (RFC 8981) are others every day, and nobody is
 * told of them.
 *
 * Names of groups: Debian's package, then the Fedora family's.
 */
export const coturn: Fact<Coturn> = {
  name: "coturn",
  script: `case $(systemctl show -p ExecStart --value coturn.service) in
*' -c ${configs[0]} '*) config=${configs[0]} ;;
*' -c '*) config=${configs[1]} ;;
*) if [ -e ${configs[0]} ]; then config=${configs[0]}; else config=${configs[1]}; fi ;;
esac
echo "config $config"
for name in turnserver coturn; do getent group $name >/dev/null && echo group $name; done
ip -o address show scope global | grep -vw temporary | while read -r _ _ _ address _; do echo "address \${address%/*}"; done
ss -Hltunp | while read -r protocol _ _ _ local _ users; do echo "port $protocol \${local##*:} $users"; done`,
  parse(stdout) {
    const after = (label: string) =>
      [...stdout.matchAll(new RegExp(`^${label} (.+)$`, "gm"))].map(([, rest]) => rest!);
    const ports = after("port").map((line) => /^(\w+) (\d+) (?:users:\(\("([^"]*)")?/.exec(line) ?? []);
    return {
      config: after("config")[0] ?? "",
      group: after("group")[0] ?? "",
      addresses: [...new Set(after("address"))].sort(),
      taken: Object.fromEntries(
        ports
          .filter(([, , , program]) => program !== "turnserver")
          .map(([, protocol, port, program]) => [`${protocol} ${port}`, program ?? "another program"]),
      ),
    };
  },
};

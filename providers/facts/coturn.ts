import type { Fact } from "../host";
import { holderOf, listeningSockets, parseSockets } from "./sockets";

/** Where a host has coturn, and by which addresses it is reached. */
export interface Coturn {
  /** Path of its configuration. */
  config: string;
  /** The group that it runs as, which its files are for; "" where coturn is not installed. */
  group: string;
  /** The host's own addresses, without those of loopback, link, and bridges of its containers and virtual machines. */
  addresses: string[];
  /** Ports that other programs have, as "udp 3478" → name of the program, and its service. */
  taken: Record<string, string>;
}

/** Where its configuration can be: with the Fedora family's package, with Debian's. */
export const configs = ["/etc/coturn/turnserver.conf", "/etc/turnserver.conf"] as const;

/**
 * Which configuration is in use, the unit says: with Debian's package, too, people keep certificates in /etc/coturn.
 * Where there is no unit, the file itself does. Temporary addresses (RFC 8981) are others every day, and nobody is
 * told of them. Bridges that neither lead out of the host nor have a network card come and go with Docker's networks:
 * no client calls their addresses, and a relay to them would open what is for containers alone.
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
ways=$(ip -4 route show default; ip -6 route show default)
leadsOut() {
  case "$ways " in *" dev $1 "*) return 0 ;; esac
  for card in /sys/class/net/"$1"/lower_*/device /sys/class/net/"$1"/lower_*/lower_*/device; do
    [ ! -e "$card" ] || return 0
  done
  return 1
}
ip -o address show scope global | grep -vw temporary | while read -r _ device _ address _; do
  [ ! -d /sys/class/net/"$device"/bridge ] || leadsOut "$device" || continue
  echo "address \${address%/*}"
done
${listeningSockets("-Hltunp")}`,
  parse(stdout) {
    const after = (label: string) =>
      [...stdout.matchAll(new RegExp(`^${label} (.+)$`, "gm"))].map(([, rest]) => rest!);
    return {
      config: after("config")[0] ?? "",
      group: after("group")[0] ?? "",
      addresses: [...new Set(after("address"))].sort(),
      taken: Object.fromEntries(
        parseSockets(stdout)
          .filter(({ holders }) => holders[0]?.program !== "turnserver")
          .map((socket) => [`${socket.protocol} ${socket.port}`, holderOf(socket)]),
      ),
    };
  },
};

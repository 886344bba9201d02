import type { Fact } from "../host";
import { covers, parsePortRange } from "../port-range";
import { sh } from "../ssh/quote";

/** Whether the host's kernel enforces SELinux, only notes what it would refuse, or runs without it. */
export type SelinuxMode = "enforcing" | "permissive" | "disabled";

/** Asked of the kernel, so that it needs no tools on the host. */
export const selinuxMode: Fact<SelinuxMode> = {
  name: "SELinux",
  script: "cat /sys/fs/selinux/enforce 2>/dev/null || true",
  parse: (stdout) => ({ "1": "enforcing", "0": "permissive" })[stdout.trim()] ?? "disabled",
} as Fact<SelinuxMode>;

/** A label and what it is given to, such as `5222/tcp` and `1024-65535/tcp`. */
interface PortLabel {
  label: string;
  port: string;
}

/** The labels of ports in the host's policy store, or why they can't be read. */
export type PortLabels =
  | { known: true; all: PortLabel[]; local: PortLabel[] }
  | {
      known: false;
      /** `semanage`: the tool is missing. `policy`: there is no policy. */
      missing: "semanage" | "policy";
      reason: string;
    };

/**
 * A script that runs a Python program with the binding of libsemanage: by semanage's own interpreter, but without the
 * module that semanage is made of, which takes ten times as long to load. `labels(store())` prints what
 * {@link portLabels} reads.
 */
export const semanage = (program: string, ...args: string[]) => sh`tool=$(command -v semanage) || {
  echo 'missing semanage'
  exit
}
read -r python <"$tool"
\${python#??} -c ${`${common}${program}`} ${args}`;

const common = `import semanage as s, sys
def store():
    handle = s.semanage_handle_create()
    if not s.semanage_is_managed(handle):
        raise ValueError("SELinux policy is not managed or store cannot be accessed.")
    s.semanage_connect(handle)
    return handle
def labels(handle):
    for title, ports in ("== all", s.semanage_port_list), ("== local", s.semanage_port_list_local):
        print(title)
        for port in ports(handle)[1]:
            label = s.semanage_context_get_type(s.semanage_port_get_con(port))
            low, high = s.semanage_port_get_low(port), s.semanage_port_get_high(port)
            proto = s.semanage_port_get_proto_str(s.semanage_port_get_proto(port))
            print(label, proto, low if low == high else "%d-%d" % (low, high))
`;

/** All labels, and those among them that differ from the policy as it is shipped. Works without SELinux in the kernel. */
export const portLabels: Fact<PortLabels> = {
  name: "port labels of SELinux",
  script: `found=$(${semanage("labels(store())")} 2>&1) || { echo 'missing policy'; echo "$found" | tail -n 1; exit 0; }
echo "$found"`,
  parse(stdout) {
    const [, missing, reason] = /^missing (\w+)\n([\s\S]*)/.exec(stdout) ?? [];
    if (missing) return { known: false, missing: missing as "semanage" | "policy", reason: reason!.trim() };
    const [all = "", local = ""] = stdout.split("== local\n");
    return { known: true, all: parseLabels(all), local: parseLabels(local) };
  },
};

/** Lines such as `jabber_client_port_t           tcp      5222, 5223`. */
function parseLabels(text: string): PortLabel[] {
  return [...text.matchAll(/^(\w+_t) +([a-z]+) +([\d, -]+)$/gm)].flatMap(([, label, protocol, ports]) =>
    ports!.split(",").map((port) => ({ label: label!, port: `${port.trim()}/${protocol}` })),
  );
}

/**
 * The label that the kernel goes by: one that was given on this host before what the policy ships, for an overridden
 * port is listed under both labels; and the narrowest range that has the port.
 */
export function effectiveLabel({ all, local }: { all: PortLabel[]; local: PortLabel[] }, port: string) {
  return narrowest(local, port) ?? narrowest(all, port);
}

function narrowest(labels: PortLabel[], port: string): PortLabel | undefined {
  const wanted = parsePortRange(port)!;
  return labels
    .flatMap((each) => {
      const range = parsePortRange(each.port);
      return range && covers(range, wanted) ? [{ ...each, width: range.last - range.first }] : [];
    })
    .sort((a, b) => a.width - b.width)
    .map(({ label, port }) => ({ label, port }))[0];
}

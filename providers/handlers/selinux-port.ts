import { type OsRelease, osRelease } from "../facts/os-release";
import { effectiveLabel, type PortLabels, portLabels, selinuxMode, semanage } from "../facts/selinux";
import type { Handler } from "../handler";
import type { Host } from "../host";
import { parsePortRange } from "../port-range";
import type { SelinuxPortInputs, SelinuxPortState } from "../selinux-port";

type Found = Pick<SelinuxPortState, "mode" | "allowed" | "label" | "given">;
type Known = Extract<PortLabels, { known: true }>;

/** What each family's policy lets Prosody bind: its domain is jabberd_t on Debian, prosody_t on Fedora. */
const bindable: Record<OsRelease["family"], readonly string[]> = {
  debian: ["jabber_client_port_t", "jabber_interserver_port_t"],
  fedora: [
    "prosody_port_t",
    "jabber_client_port_t",
    "jabber_interserver_port_t",
    "jabber_router_port_t",
    "commplex_main_port_t",
    "fac_restore_port_t",
  ],
};

/** Exists in both policies, and Prosody may bind it in both. */
const ourLabel = "jabber_client_port_t";

/** SELinux's label of a port, in the host's policy store. */
export const selinuxPortHandler: Handler<SelinuxPortInputs, SelinuxPortState> = {
  inputs: ["port", "required", "allowed"],
  replaceOn: ["port"],
  timeout: 400, // each change links the policy anew: seconds, on a busy host many

  id: ({ port }) => port,

  check: ({ port }) =>
    parsePortRange(port) ? [] : [{ property: "port", reason: `${JSON.stringify(port)} is no port.` }],

  diff: (state, inputs) => [
    ...(["port", "required"] as const).filter((name) => state[name] !== inputs[name]),
    ...(state.allowed === false ? ["allowed"] : []),
  ],

  async create(host, inputs) {
    return { ...wanted(inputs), ...(await allow(host, inputs)) };
  },

  async read(host, state) {
    const [mode, labels, os] = await Promise.all([
      host.fact(selinuxMode),
      host.fact(portLabels),
      host.fact(osRelease),
    ]);
    const given = state.given ?? false; // not there in older states
    if (mode === "disabled" && !state.required) return { ...wanted(state), mode, given };
    // Without semanage nobody can tell; that its package is gone shows at the package.
    if (!labels.known)
      return { ...state, mode, given, ...(labels.missing === "policy" && { allowed: false }) };
    return {
      ...wanted(state),
      ...look(labels, os, state.port),
      mode,
      given,
    };
  },

  async update(host, state, inputs) {
    const found = await allow(host, inputs);
    return { ...wanted(inputs), ...found, given: state.given || found.given };
  },

  async delete(host, state) {
    if (state.given) await host.group("port labels back", state, (states) => giveBack(host, states), gather);
  },
};

/** Milliseconds; each change takes seconds, and the engine sends its ports one by one. */
const gather = 50;

const wanted = ({ server, port, required }: SelinuxPortInputs | SelinuxPortState) => ({
  server,
  port,
  required,
});

const allow = (host: Host, inputs: SelinuxPortInputs) =>
  host.group("port labels", inputs, (items) => allowAll(host, items), gather);

function look(labels: Known, { family }: OsRelease, port: string): { allowed: boolean; label?: string } {
  const label = effectiveLabel(labels, port)?.label;
  return { allowed: label !== undefined && bindable[family].includes(label), ...(label && { label }) };
}

async function allowAll(host: Host, items: SelinuxPortInputs[]): Promise<(Found | Error)[]> {
  const mode = await host.fact(selinuxMode);
  if (mode === "disabled" && !items.some(({ required }) => required))
    return items.map(() => ({ mode, given: false }));
  const before = await host.fact(portLabels);
  if (!before.known) return items.map(() => unreadable(before));
  const os = await host.fact(osRelease);
  const plans = items.map(({ port }) => (look(before, os, port).allowed ? undefined : plan(before, port)));
  const changes = items.flatMap(({ port }, index) => {
    const given = plans[index];
    return given && !(given instanceof Error) ? [{ port, label: given.label }] : [];
  });
  const after = changes.length > 0 ? await relabel(host, changes, "labelling ports") : before;
  if (!after.known) return items.map(() => unreadable(after));
  return items.map(({ port }, index) => {
    const given = plans[index];
    if (given instanceof Error) return given;
    const now = look(after, os, port);
    if (!now.allowed)
      return new Error(
        `semanage reported success, but ${port} has the label ${now.label}. See \`semanage port -l -C\` on the host, then run this again.`,
      );
    return { mode, ...now, given: given ?? false };
  });
}

/** Pure: what a port gets, and what it had of this host. */
function plan(labels: Known, port: string) {
  const own = effectiveLabel({ all: [], local: labels.local }, port);
  if (own && own.port !== port)
    return new Error(
      `the label ${own.label} was given to ${own.port} on this host, ${port} included, and Prosody may not bind it. ` +
        `Take it back (\`semanage port -d -p ${own.port.split("/").reverse().join(" ")}\`) or choose another port.`,
    );
  return { label: ourLabel, ...(own && { before: own.label }) };
}

/** What somebody changed since is theirs. */
async function giveBack(host: Host, states: SelinuxPortState[]): Promise<undefined[]> {
  const labels = await host.fact(portLabels);
  const changes = states.flatMap(({ port, given }) => {
    if (!given || !labels.known) return [];
    const isOurs = labels.local.some((each) => each.port === port && each.label === given.label);
    return isOurs ? [{ port, label: given.before }] : [];
  });
  if (changes.length > 0) await relabel(host, changes, "giving ports their labels back");
  return states.map(() => undefined);
}

/** Without a label: the policy's own. */
interface Change {
  port: string;
  label?: string;
}

/** As semanage does it, in one transaction: an entry of this host, whatever the policy has for the port. */
const transaction = `import json
handle = store()
level = ":s0" if s.semanage_mls_enabled(handle) else ""
s.semanage_begin_transaction(handle)
for low, high, proto, label in json.loads(sys.argv[1]):
    proto = getattr(s, "SEMANAGE_PROTO_" + proto.upper())
    key = s.semanage_port_key_create(handle, low, high, proto)[1]
    if label:
        port = s.semanage_port_create(handle)[1]
        s.semanage_port_set_proto(port, proto)
        s.semanage_port_set_range(port, low, high)
        context = s.semanage_context_from_string(handle, "system_u:object_r:" + label + level)[1]
        s.semanage_port_set_con(handle, port, context)
        s.semanage_port_modify_local(handle, key, port)
    else:
        s.semanage_port_del_local(handle, key)
s.semanage_commit(handle)
labels(store())
`;

/**
 * All changes or none take effect.
 * @returns the labels as they are then
 */
async function relabel(host: Host, changes: Change[], doing: string): Promise<PortLabels> {
  const list = changes.map(({ port, label }) => {
    const { first, last, protocol } = parsePortRange(port)!;
    return [first, last, protocol, label ?? null];
  });
  const { code, stdout, stderr } = await host.run(semanage(transaction, JSON.stringify(list)), {
    doing,
    accept: [0, 1],
    timeout: 360,
    changes: true,
  });
  if (code === 0) return portLabels.parse(stdout);
  const said = stderr.match(/^lib(?:sepol|semanage)\.(?!add_user).*/gm)?.join("\n  ") ?? stderr.trim();
  const wanted = changes.map(({ port, label }) => (label ? `${port} as ${label}` : port));
  throw new Error(
    `semanage refused ${wanted.join(", ")}:\n  ${said}\nFix: See \`semanage port -l -C\` on the host for what was changed there before, then run this again.`,
  );
}

function unreadable({ missing, reason }: Extract<PortLabels, { known: false }>): Error {
  return new Error(
    missing === "semanage"
      ? "the host has no semanage. Install policycoreutils-python-utils, then run this again."
      : `the host has no SELinux policy that semanage can change (${reason.split("\n").at(-1)}). Install one (selinux-policy-default on Debian, selinux-policy-targeted on Fedora), or set prosody:selinux to auto or off.`,
  );
}

import { entryOf, type Firewalld, firewalld, hasEntry, isOpen, type Opening } from "../facts/firewalld";
import type { FirewallPortInputs, FirewallPortState } from "../firewall-port";
import type { Handler } from "../handler";
import type { Host } from "../host";
import { parsePortRange } from "../port-range";
import { quote, sh } from "../ssh/quote";

type Found = Pick<FirewallPortState, "enforced" | "permanent" | "runtime" | "effectiveZone" | "opened">;

/** What is in force now, and what will be after the next start of firewalld. */
type Layer = "permanent" | "runtime";

/** One rule to add or to remove. */
interface Change extends Opening {
  zone: string;
  layer: Layer;
  verb: "add" | "remove";
}

/**
 * A port in firewalld. Both layers are written, never copied from one another: `--reload` would drop what somebody
 * else has in force for now only, `--runtime-to-permanent` what they keep for later. firewalld is never started: it
 * could shut out the SSH connection.
 */
export const firewallPortHandler: Handler<FirewallPortInputs, FirewallPortState> = {
  inputs: ["port", "forwardTo", "zone", "required", "permanent", "runtime"],
  replaceOn: ["port", "forwardTo"],

  id: ({ port }) => port,

  check: ({ port }) =>
    parsePortRange(port) ? [] : [{ property: "port", reason: `${JSON.stringify(port)} is no port.` }],

  diff: (state, inputs) => [
    ...(["port", "forwardTo", "zone", "required"] as const).filter((name) => state[name] !== inputs[name]),
    ...(["permanent", "runtime"] as const).filter((layer) => state[layer] === false),
  ],

  async create(host, inputs) {
    return { ...without(inputs), ...(await open(host, inputs)) };
  },

  async read(host, state) {
    const now = await host.fact(firewalld);
    const zone = state.zone ?? now.zone;
    return { ...without(state), opened: state.opened, ...look(now, zone, state) };
  },

  async update(host, state, inputs) {
    const found = await open(host, inputs);
    const { opened } = state;
    if (!opened || !found.opened) return { ...without(inputs), ...found, opened: opened ?? found.opened };
    if (opened.zone !== found.opened.zone) await close(host, state);
    else
      for (const layer of ["permanent", "runtime"] as const)
        found.opened[layer] = opened[layer] || found.opened[layer];
    return { ...without(inputs), ...found };
  },

  async delete(host, state) {
    if (state.opened) await close(host, state);
  },
};

function without<T extends FirewallPortInputs | FirewallPortState>(given: T) {
  const { server, port, forwardTo, zone, required } = given;
  return { server, port, forwardTo, zone, required };
}

/** How a port is in a zone: what firewalld does not enforce is not told. */
function look(now: Firewalld, zone: string, wanted: Opening & { required: boolean }): Found {
  const effectiveZone = now.state === "absent" ? "" : zone;
  if (now.state === "absent") {
    const missing = wanted.required ? { permanent: false, runtime: false } : {};
    return { enforced: "none", effectiveZone, ...missing };
  }
  const permanent = isOpen(now.permanent[zone], wanted);
  if (now.state === "stopped") return { enforced: "stopped", effectiveZone, permanent };
  return { enforced: "firewalld", effectiveZone, permanent, runtime: isOpen(now.runtime[zone], wanted) };
}

/** Milliseconds; each change of firewalld takes half a second, and the engine sends its ports one by one. */
const gather = 100;

const open = (host: Host, inputs: FirewallPortInputs): Promise<Found> =>
  host.group("firewalld open", inputs, (items) => openAll(host, items), gather);

const close = (host: Host, state: FirewallPortState): Promise<undefined> =>
  host.group("firewalld close", state, (items) => closeAll(host, items), gather);

async function openAll(host: Host, items: FirewallPortInputs[]): Promise<(Found | Error)[]> {
  const before = await host.fact(firewalld);
  const wanted = await Promise.all(
    items.map(async (item) => {
      const zone = item.zone ?? before.zone;
      const found = look(before, zone, item);
      return { item, zone, found, refusal: await refusal(host, before, zone, item, found) };
    }),
  );
  const changes = wanted.flatMap(({ item, zone, found, refusal }) =>
    refusal ? [] : missing(found).map((layer): Change => ({ ...item, zone, layer, verb: "add" })),
  );
  const said = await apply(host, before, changes, "opening ports in firewalld");
  const after = changes.length > 0 ? await host.fact(firewalld) : before;
  return wanted.map(({ item, zone, found, refusal }) => {
    if (refusal) return refusal;
    const now = look(after, zone, item);
    if (missing(now).length > 0)
      return new Error(
        `firewalld did not ${deed(item)} in zone ${zone}${said ? `: ${said}` : ""}. See \`journalctl -u firewalld\` on the host.`,
      );
    if (now.enforced === "none") return now;
    const opened = {
      zone,
      permanent: found.permanent === false,
      // what is permanent will be in force as soon as firewalld runs
      runtime: found.enforced === "stopped" ? found.permanent === false : found.runtime === false,
    };
    return { ...now, opened };
  });
}

const missing = (found: Found) =>
  (["permanent", "runtime"] as const).filter((layer) => found[layer] === false);

const deed = ({ port, forwardTo }: Opening) =>
  forwardTo === undefined ? `open ${port}` : `forward ${port} to port ${forwardTo}`;

/** Why a port can't be opened, if it can't. */
async function refusal(
  host: Host,
  { state, permanent, runtime }: Firewalld,
  zone: string,
  item: FirewallPortInputs,
  found: Found,
): Promise<Error | undefined> {
  if (state === "absent")
    return item.required
      ? new Error(
          "the host has no firewalld, which prosody:firewall requires. Install and start it (let SSH in first: `firewall-offline-cmd --add-port=PORT/tcp`), or set prosody:firewall to auto.",
        )
      : undefined;
  if (!permanent[zone])
    return new Error(
      `firewalld has no zone ${zone}; there are ${Object.keys(permanent).join(", ")}. Set prosody:firewall.zone to one of them.`,
    );
  if (state === "running" && !runtime[zone])
    return new Error(
      `firewalld does not use zone ${zone} yet. Run \`firewall-cmd --reload\` on the host, which drops rules that were added for now only, then run this again.`,
    );
  if (item.forwardTo === undefined || missing(found).length === 0) return undefined;
  const [number, protocol] = item.port.split("/");
  const same = `port=${number}:proto=${protocol}:`;
  const other = [permanent[zone], runtime[zone]]
    .flatMap((each) => each?.forwards ?? [])
    .find((forward) => forward.startsWith(same) && !forward.startsWith(`${entryOf(item)}:`));
  if (other)
    return new Error(
      `zone ${zone} forwards ${item.port} elsewhere already (${other}). Remove that (firewall-cmd --zone=${zone} --remove-forward-port=${other}, and again with --permanent), or set prosody:firewall.https443 to false.`,
    );
  const { stdout } = await host.run(sh`ss -Hltnp sport = ${`:${number}`}`, {
    doing: `looking who listens on port ${number}`,
  });
  const taken = stdout.split("\n").find((line) => line && !/ (127\.[\d.]+|\[::1\]):\d+ /.test(line));
  if (taken)
    return new Error(
      `${/"([^"]+)"/.exec(taken)?.[1] ?? "another program"} serves port ${number} on the host, and a forward would take it away. Stop that, let it pass on what is for Prosody, or set prosody:firewall.https443 to false.`,
    );
  return undefined;
}

async function closeAll(host: Host, items: FirewallPortState[]): Promise<undefined[]> {
  const now = await host.fact(firewalld);
  const changes = items.flatMap((item) => {
    const { opened, port, forwardTo } = item;
    if (!opened || now.state === "absent" || `${now.sshPort}/tcp` === port) return [];
    return (["permanent", "runtime"] as const)
      .filter((layer) => opened[layer] && hasEntry(now[layer][opened.zone], item))
      .map((layer): Change => ({ port, forwardTo, zone: opened.zone, layer, verb: "remove" }));
  });
  await apply(host, now, changes, "closing ports in firewalld");
  return items.map(() => undefined);
}

/** @returns what firewalld warned of, in one line: a bad port among several is no error to it */
async function apply(host: Host, now: Firewalld, changes: Change[], doing: string): Promise<string> {
  if (changes.length === 0) return "";
  const script = commands(changes, now.state === "running");
  const { stdout, stderr } = await host.run(script, { doing, timeout: 100, changes: true });
  const warnings = `${stdout}\n${stderr}`.match(/^(?:Warning|Error): .*/gm) ?? [];
  const news = warnings.filter((line) => !/ALREADY_ENABLED|NOT_ENABLED/.test(line));
  return [...new Set(news)].map((line) => line.replace(/^\w+: /, "")).join("; ");
}

/** Pure: one command for each zone, layer and kind of rule, because firewall-cmd takes several only of one kind. */
export function commands(changes: Change[], running: boolean): string {
  const lines = new Map<string, string[]>();
  for (const change of changes) {
    const tool = running
      ? `firewall-cmd${change.layer === "permanent" ? " --permanent" : ""}`
      : "firewall-offline-cmd";
    const command = `${tool} --zone=${quote(change.zone)}`;
    const option = `--${change.verb}-${change.forwardTo === undefined ? "port" : "forward-port"}`;
    const key = `${command} ${option}`;
    lines.set(key, [...(lines.get(key) ?? [command]), `${option}=${quote(entryOf(change))}`]);
  }
  return ["set -e", ...[...lines.values()].map((words) => [...new Set(words)].join(" "))].join("\n");
}

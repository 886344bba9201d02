import {
  entryOf,
  type Firewalld,
  firewalld,
  hasEntry,
  isEntryOf,
  isOpen,
  type Opening,
  onBus,
  parseOpening,
  refusalOf,
  written,
} from "../facts/firewalld";
import { forget, note } from "../facts/opened-ports";
import { holderOf, listeningSockets, parseSockets } from "../facts/sockets";
import type { FirewallPortsInputs, FirewallPortsState, Opened, Openness } from "../firewall-ports";
import type { Handler } from "../handler";
import type { Host } from "../host";
import { quote, sh } from "../ssh/quote";

/** What will be after the next start of firewalld, and what is in force now. */
const layers = ["permanent", "runtime"] as const;
type Layer = (typeof layers)[number];

/** One rule to add or to remove. */
interface Change extends Opening {
  layer: Layer;
  verb: "add" | "remove";
}

/**
 * Ports in firewalld. Both layers are written, never copied from one another: `--reload` would drop what somebody
 * else has in force for now only, `--runtime-to-permanent` what they keep for later. firewalld is never started: it
 * could shut out the SSH connection.
 */
export const firewallPortsHandler: Handler<FirewallPortsInputs, FirewallPortsState> = {
  inputs: ["ports", "zone", "required"],

  id: ({ server }) => server,

  check: ({ ports }) =>
    Object.keys(ports)
      .filter((port) => !parseOpening(port))
      .map((port) => ({ property: "ports", reason: `${JSON.stringify(port)} is no port.` })),

  create: (host, inputs) => arrange(host, inputs),

  async read(host, state) {
    return { ...look(await host.fact(firewalld(state.zone)), state), opened: state.opened };
  },

  update: (host, state, inputs) => arrange(host, inputs, state.opened),

  async delete(host, { opened }) {
    if (opened) await close(host, opened);
  },
};

type Wanted = Pick<FirewallPortsState, "server" | "zone" | "required"> & { ports: object };

/** How the ports are in a zone: what firewalld does not enforce is open. */
function look(now: Firewalld, { server, ports, zone, required }: Wanted): FirewallPortsState {
  const enforced = { running: "firewalld", stopped: "stopped", absent: "none" } as const;
  const openness = (port: string) => {
    if (now.state === "absent") return required ? "closed" : "open";
    const permanent = !isMissing(now, "permanent", port);
    return words(permanent, now.state === "running" ? !isMissing(now, "runtime", port) : permanent);
  };
  const isShut =
    now.outward && Object.keys(ports).some((port) => !isOpen(now.outward!.settings, parseOpening(port)!));
  return {
    server,
    zone,
    required,
    ports: Object.fromEntries(Object.keys(ports).map((port) => [port, openness(port)])),
    enforced: enforced[now.state],
    effectiveZone: now.zone,
    shut: isShut ? `${now.outward!.zone} (${now.outward!.interface})` : "",
  };
}

function words(permanent: boolean, runtime: boolean): Openness {
  if (permanent) return runtime ? "open" : "closed until firewalld restarts";
  return runtime ? "open until firewalld restarts" : "closed";
}

/** While firewalld is stopped, it has no layer for now. */
const isMissing = (now: Firewalld, layer: Layer, port: string) =>
  now.state !== "absent" &&
  (layer === "permanent" || now.state === "running") &&
  !isOpen(now[layer], parseOpening(port)!);

/**
 * Opens what is wanted, and closes what the stack opened and no longer wants: all of it, or nothing.
 * @param had what the stack opened before
 */
async function arrange(host: Host, inputs: FirewallPortsInputs, had?: Opened): Promise<FirewallPortsState> {
  const before = await host.fact(firewalld(inputs.zone));
  const { zone } = before;
  if (before.state === "absent") {
    if (!inputs.required) return { ...look(before, inputs), opened: had };
    throw new Error(
      "the host has no firewalld, which prosody:firewall requires. Install and start it (let SSH in first: `firewall-offline-cmd --add-port=PORT/tcp`), or set prosody:firewall to auto.",
    );
  }
  const wanted = Object.keys(inputs.ports);
  const kept = had?.zone === zone ? had : { zone, permanent: [], runtime: [] };
  const gone = removals(before, kept).filter((change) => !wanted.includes(written(change)));
  const rest = less(before, gone);
  const added = layers.flatMap((layer) =>
    wanted
      .filter((port) => isMissing(rest, layer, port))
      .map((port): Change => ({ ...parseOpening(port)!, layer, verb: "add" })),
  );
  await refuse(host, rest, wanted, added);
  const changes = [...gone, ...added];
  const { after, said } = await apply(host, before, changes, "opening ports in firewalld");
  const closed = wanted.filter((port) => layers.some((layer) => isMissing(after, layer, port)));
  if (closed.length > 0) {
    await apply(host, after, changes.map(opposite).reverse(), "taking back what was changed in firewalld");
    throw new Error(
      `firewalld did not ${closed.map(deed).join(", ")} in zone ${zone}${said ? `: ${said}` : ""}. Nothing was changed. See \`journalctl -u firewalld\` on the host.`,
    );
  }
  if (had && had.zone !== zone) await close(host, had);
  const isNoted = (layer: Layer, port: string) =>
    before.noted?.includes(`${layer} ${zone} ${port}`) && hasEntry(before[layer], parseOpening(port)!);
  const isOurs = (layer: Layer) => (port: string) =>
    kept[layer].includes(port) ||
    isNoted(layer, port) ||
    added.some((change) => change.layer === layer && written(change) === port);
  const permanent = wanted.filter(isOurs("permanent"));
  // What is permanent will be in force as soon as firewalld runs.
  const runtime = before.state === "stopped" ? permanent : wanted.filter(isOurs("runtime"));
  return { ...look(after, inputs), opened: { zone, permanent, runtime } };
}

/** What would be left: a range that goes may have let in a port that stays. */
function less(now: Firewalld, gone: Change[]): Firewalld {
  const [permanent, runtime] = layers.map((layer) => {
    const leaving = gone.filter((change) => change.layer === layer);
    const stays = (entry: string) => !leaving.some((change) => isEntryOf(entry, change));
    const zone = now[layer];
    return zone && { ...zone, ports: zone.ports.filter(stays), forwards: zone.forwards.filter(stays) };
  });
  return { ...now, permanent, runtime };
}

const opposite = (change: Change): Change => ({
  ...change,
  verb: change.verb === "add" ? "remove" : "add",
});

const deed = (port: string) => {
  const { forwardTo, port: from } = parseOpening(port)!;
  return forwardTo === undefined ? `open ${port}` : `forward ${from} to port ${forwardTo}`;
};

/** @throws Error when something can't be opened */
async function refuse(
  host: Host,
  { state, zone, zones, permanent, runtime }: Firewalld,
  wanted: string[],
  added: Change[],
): Promise<void> {
  if (!permanent)
    throw new Error(
      `firewalld has no zone ${zone}; there are ${zones.join(", ")}. Set prosody:firewall.zone to one of them.`,
    );
  if (state === "running" && !runtime)
    throw new Error(
      `firewalld does not use zone ${zone} yet. Run \`firewall-cmd --reload\` on the host, which drops rules that were added for now only, then run this again.`,
    );
  for (const port of wanted) {
    const rule = [permanent, runtime].map((each) => refusalOf(each, parseOpening(port)!)).find(Boolean);
    if (rule)
      throw new Error(
        `zone ${zone} refuses ${port} to everybody by a rule of its own (${rule}). Remove that (firewall-cmd --zone=${zone} --remove-rich-rule='${rule}', and again with --permanent), or switch the port off (prosody:ports).`,
      );
  }
  const forwards = [...new Set(added.filter(({ forwardTo }) => forwardTo).map(written))];
  const others = [permanent, runtime].flatMap((each) => each?.forwards ?? []);
  await Promise.all(forwards.map((port) => refuseForward(host, zone, others, parseOpening(port)!)));
}

/**
 * @param others what the zone forwards
 * @throws Error when something else has the port
 */
async function refuseForward(host: Host, zone: string, others: string[], opening: Opening): Promise<void> {
  const [number, protocol] = opening.port.split("/");
  const same = `port=${number}:proto=${protocol}:`;
  const other = others.find(
    (forward) => forward.startsWith(same) && !forward.startsWith(`${entryOf(opening)}:`),
  );
  if (other)
    throw new Error(
      `zone ${zone} forwards ${opening.port} elsewhere already (${other}). Remove that (firewall-cmd --zone=${zone} --remove-forward-port=${other}, and again with --permanent), or set prosody:firewall.https443 to false.`,
    );
  const { stdout } = await host.run(listeningSockets(`-Hltnp sport = :${Number(number)}`), {
    doing: `looking who listens on port ${number}`,
  });
  const taken = parseSockets(stdout).find(({ address }) => !/^(127\.[\d.]+|::1)$/.test(address));
  if (taken)
    throw new Error(
      `${holderOf(taken)} serves port ${number} on the host, and a forward would take it away. Stop that, let it pass on what is for Prosody, or set prosody:firewall.https443 to false.`,
    );
}

async function close(host: Host, opened: Opened): Promise<void> {
  const now = await host.fact(firewalld(opened.zone));
  const forgotten = layers.flatMap((layer) => opened[layer].map((port) => `${layer} ${opened.zone} ${port}`));
  await apply(host, now, removals(now, opened), "closing ports in firewalld", forgotten);
}

/** What the stack opened and is still there; never the port that SSH came in by. */
const removals = (now: Firewalld, opened: Opened): Change[] =>
  layers.flatMap((layer) =>
    opened[layer]
      .map((port): Change => ({ ...parseOpening(port)!, layer, verb: "remove" }))
      .filter((change) => hasEntry(now[layer], change) && change.port !== `${now.sshPort}/tcp`),
  );

/** @returns the zone as it is then, and what firewalld did not like, in one line: a bad port among several is no error */
async function apply(
  host: Host,
  before: Firewalld,
  changes: Change[],
  doing: string,
  forgotten = notes(before, changes, "remove"),
) {
  const gone = forgotten.filter((line) => before.noted?.includes(line));
  if (changes.length + gone.length === 0) return { after: before, said: "" };
  const { zone, state } = before;
  const read = firewalld(zone);
  const change = changes.length > 0 ? `${commands(zone, changes, state === "running")}\n` : "";
  const script = `${note(notes(before, changes, "add"))}${change}${forget(forgotten)}${read.script}`;
  const { stdout, stderr } = await host.run(script, { doing, timeout: 100, changes: true });
  const refusals = stderr.match(/^(?:Warning|Error|Call failed): .*/gm) ?? [];
  const news = refusals.filter((line) => !/ALREADY_ENABLED|NOT_ENABLED/.test(line));
  const said = [...new Set(news)].map((line) => line.replace(/^[\w ]+: /, "")).join("; ");
  return { after: read.parse(stdout), said };
}

/** Lines of the file that says what the stack opened; what is permanent will be in force once firewalld runs. */
const notes = ({ zone, state }: Firewalld, changes: Change[], verb: Change["verb"]): string[] =>
  changes
    .filter((change) => change.verb === verb)
    .flatMap((change) =>
      (state === "stopped" ? layers : [change.layer]).map((layer) => `${layer} ${zone} ${written(change)}`),
    );

/**
 * Pure: what runs is told of one entry after the other, so that those of others stay as they are; both layers at the
 * same time. firewall-offline-cmd takes several only of one kind, and does either what is to be added or to be removed.
 */
export function commands(zone: string, changes: Change[], running: boolean): string {
  const queues = new Map<string, string[]>();
  for (const change of changes) {
    const kind = change.forwardTo === undefined ? "port" : "forward-port";
    const option = `--${change.verb}-${kind}`;
    const [key, word] = running
      ? [change.layer, callOf(zone, change)]
      : [option, `${option}=${quote(entryOf(change))}`];
    queues.set(key, [...(queues.get(key) ?? []), word]);
  }
  if (!running)
    return [...queues.values()]
      .map((options) => `firewall-offline-cmd ${sh`--zone=${zone}`} ${options.join(" ")} || exit`)
      .join("\n");
  const started = [...queues.values()].map((calls) => `{\n${calls.join("\n")}\n} >/dev/null &`);
  return [onBus, sh`path=$(kept ${zone}) || exit`, ...started, "wait"].join("\n");
}

/** Methods of firewalld.dbus(5); the last argument of what is added for now is that it is so without a time limit. */
function callOf(zone: string, { layer, verb, port, forwardTo }: Change): string {
  const now = layer === "runtime";
  const object = now ? "$at $bus.zone" : '"$path" $bus.config.zone';
  const words = [
    ...(now ? [zone] : []),
    ...port.split("/"),
    ...(forwardTo === undefined ? [] : [forwardTo, ""]),
  ];
  const limit = now && verb === "add" ? [0] : [];
  const types = `${"s".repeat(words.length)}${"i".repeat(limit.length)}`;
  const method = `${verb}${forwardTo === undefined ? "Port" : "ForwardPort"}`;
  return `call ${object} ${sh`${method} ${types} ${[...words, ...limit]}`}`;
}

import {
  entryOf,
  type Firewalld,
  firewalld,
  hasEntry,
  isOpen,
  type Opening,
  onBus,
} from "../facts/firewalld";
import type { FirewallPortInputs, FirewallPortState } from "../firewall-port";
import type { Handler } from "../handler";
import type { Host } from "../host";
import { parsePortRange } from "../port-range";
import { quote, sh } from "../ssh/quote";

type Found = Pick<FirewallPortState, "enforced" | "permanent" | "runtime" | "effectiveZone" | "opened">;

/** What is in force now, and what will be after the next start of firewalld. */
type Layer = "permanent" | "runtime";

/** What was opened, and so may be closed. */
type Opened = FirewallPortState & Required<Pick<FirewallPortState, "opened">>;

/** One rule to add or to remove. */
interface Change extends Opening {
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
    const now = await host.fact(firewalld(state.zone));
    return { ...without(state), opened: state.opened, ...look(now, state) };
  },

  async update(host, state, inputs) {
    const found = await open(host, inputs);
    const { opened } = state;
    if (!opened || !found.opened) return { ...without(inputs), ...found, opened: opened ?? found.opened };
    if (opened.zone !== found.opened.zone) await close(host, { ...state, opened });
    else
      for (const layer of ["permanent", "runtime"] as const)
        found.opened[layer] = opened[layer] || found.opened[layer];
    return { ...without(inputs), ...found };
  },

  async delete(host, state) {
    if (state.opened) await close(host, { ...state, opened: state.opened });
  },
};

function without<T extends FirewallPortInputs | FirewallPortState>(given: T) {
  const { server, port, forwardTo, zone, required } = given;
  return { server, port, forwardTo, zone, required };
}

/** How a port is in a zone: what firewalld does not enforce is not told. */
function look(now: Firewalld, wanted: Opening & { required: boolean }): Found {
  const effectiveZone = now.zone;
  if (now.state === "absent") {
    const missing = wanted.required ? { permanent: false, runtime: false } : {};
    return { enforced: "none", effectiveZone, ...missing };
  }
  const permanent = isOpen(now.permanent, wanted);
  if (now.state === "stopped") return { enforced: "stopped", effectiveZone, permanent };
  return { enforced: "firewalld", effectiveZone, permanent, runtime: isOpen(now.runtime, wanted) };
}

/** Milliseconds: the engine sends its ports one by one. */
const gather = 50;

const open = (host: Host, inputs: FirewallPortInputs): Promise<Found> =>
  host.group(`firewalld open ${inputs.zone}`, inputs, (items) => openAll(host, items), gather);

const close = (host: Host, state: Opened): Promise<undefined> =>
  host.group(`firewalld close ${state.opened.zone}`, state, (items) => closeAll(host, items), gather);

/** @param items all of the same zone */
async function openAll(host: Host, items: FirewallPortInputs[]): Promise<(Found | Error)[]> {
  const zone = firewalld(items[0]!.zone);
  const before = await host.fact(zone);
  const wanted = await Promise.all(
    items.map(async (item) => {
      const found = look(before, item);
      return { item, found, refusal: await refusal(host, before, item, found) };
    }),
  );
  const changes = wanted.flatMap(({ item, found, refusal }) =>
    refusal ? [] : missing(found).map((layer): Change => ({ ...item, layer, verb: "add" })),
  );
  const { after, said } = await apply(host, before, changes, "opening ports in firewalld");
  return wanted.map(({ item, found, refusal }) => {
    if (refusal) return refusal;
    const now = look(after, item);
    if (missing(now).length > 0)
      return new Error(
        `firewalld did not ${deed(item)} in zone ${after.zone}${said ? `: ${said}` : ""}. See \`journalctl -u firewalld\` on the host.`,
      );
    if (now.enforced === "none") return now;
    const opened = {
      zone: after.zone,
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
  { state, zone, zones, permanent, runtime }: Firewalld,
  item: FirewallPortInputs,
  found: Found,
): Promise<Error | undefined> {
  if (state === "absent")
    return item.required
      ? new Error(
          "the host has no firewalld, which prosody:firewall requires. Install and start it (let SSH in first: `firewall-offline-cmd --add-port=PORT/tcp`), or set prosody:firewall to auto.",
        )
      : undefined;
  if (!permanent)
    return new Error(
      `firewalld has no zone ${zone}; there are ${zones.join(", ")}. Set prosody:firewall.zone to one of them.`,
    );
  if (state === "running" && !runtime)
    return new Error(
      `firewalld does not use zone ${zone} yet. Run \`firewall-cmd --reload\` on the host, which drops rules that were added for now only, then run this again.`,
    );
  if (item.forwardTo === undefined || missing(found).length === 0) return undefined;
  const [number, protocol] = item.port.split("/");
  const same = `port=${number}:proto=${protocol}:`;
  const other = [permanent, runtime]
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

/** @param items all of the same zone */
async function closeAll(host: Host, items: Opened[]): Promise<undefined[]> {
  const now = await host.fact(firewalld(items[0]!.opened.zone));
  const changes = items.flatMap((item) =>
    (["permanent", "runtime"] as const)
      .filter(
        (layer) => item.opened[layer] && hasEntry(now[layer], item) && `${now.sshPort}/tcp` !== item.port,
      )
      .map((layer): Change => ({ ...item, layer, verb: "remove" })),
  );
  await apply(host, now, changes, "closing ports in firewalld");
  return items.map(() => undefined);
}

/** @returns the zone as it is then, and what firewalld did not like, in one line: a bad port among several is no error */
async function apply(host: Host, before: Firewalld, changes: Change[], doing: string) {
  if (changes.length === 0) return { after: before, said: "" };
  const { zone, state } = before;
  const read = firewalld(zone);
  const script = `${commands(zone, changes, state === "running")}\n${read.script}`;
  const { stdout, stderr } = await host.run(script, { doing, timeout: 100, changes: true });
  const refusals = stderr.match(/^(?:Warning|Error|Call failed): .*/gm) ?? [];
  const news = refusals.filter((line) => !/ALREADY_ENABLED|NOT_ENABLED/.test(line));
  const said = [...new Set(news)].map((line) => line.replace(/^[\w ]+: /, "")).join("; ");
  return { after: read.parse(stdout), said };
}

/**
 * Pure: what runs is told of one entry after the other, so that those of others stay as they are; both layers at the
 * same time. firewall-offline-cmd takes several only of one kind.
 */
export function commands(zone: string, changes: Change[], running: boolean): string {
  const queues = new Map<string, string[]>();
  for (const change of changes) {
    const kind = change.forwardTo === undefined ? "port" : "forward-port";
    const key = running ? change.layer : kind;
    const word = running ? callOf(zone, change) : `--${change.verb}-${kind}=${quote(entryOf(change))}`;
    queues.set(key, [...new Set([...(queues.get(key) ?? []), word])]);
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

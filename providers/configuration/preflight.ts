import { closest, editDistance } from "../../config/words";
import { type ListeningSocket, parseSockets } from "../facts/sockets";
import type { HostFacts, Model, WantedPort } from "./model";
import { directory } from "./scripts";

/**
 * Warnings of `prosodyctl check config` that leave a server nobody can use. Its exit code says nothing: it is the
 * same for an option with a newer name.
 */
const fatal = [
  /No global options defined/,
  /No hosts are (defined|enabled)|All hosts are disabled/,
  /should (not be a .* but|be) a list of strings/,
  /Connections will fail/,
];

/** What it says in any case. */
const usual =
  /^(Checking config|The following configuration files|Done\.|All checks passed|Problems found|For more information|For more details|More help|Good luck|Some of your hosts may be missing features)/;

export interface Verdict {
  /** Why this configuration must not go live; each a line. */
  refusals: string[];
  warnings: string[];
}

/** Judges a staged configuration by what the host says of it. */
export function judge(facts: HostFacts | undefined, model: Model | undefined, text: string): Verdict {
  const remarks = paragraphs(facts?.text ?? "");
  if (!model || facts?.code === 1) {
    const reasons = remarks.length > 0 ? remarks : paragraphs(text);
    return { refusals: reasons.length > 0 ? reasons : ["Prosody can't load it"], warnings: [] };
  }
  const isFatal = (remark: string) => fatal.some((pattern) => pattern.test(remark));
  return {
    refusals: [
      ...remarks.filter(isFatal),
      ...new Set(model.problems.map(live).sort()),
      ...withoutShell(model),
      ...clashes(model.ports),
      ...foreign(model.ports, facts?.listening ?? "", facts?.pid ?? 0),
    ],
    warnings: [...remarks.filter((remark) => !isFatal(remark)), ...model.warnings.map(live).sort()],
  };
}

/**
 * A sentence for each option that nothing on the host reads but that is a letter or two away from one that is read: of
 * another name, nobody can tell whether a program of somebody's own reads it.
 */
export function misspelt({ unread }: Model): string[] {
  return (unread?.unknown ?? []).sort().flatMap((name) => {
    const letters = name.length < 8 ? 1 : 2;
    const near = closest(name, unread!.known);
    if (!near || name.length < 4 || editDistance(name, near) > letters) return [];
    return [
      `nothing in Prosody or its modules reads the option ${name}; did you mean ${near}? See prosody:options`,
    ];
  });
}

/** A text with the paths that the user knows. */
export function live(text: string): string {
  return text.replaceAll(`${directory}/.staged/`, `${directory}/`);
}

function paragraphs(text: string): string[] {
  return live(text)
    .split(/\n\s*\n|\n(?=Checking|Done|The following)/)
    .map((paragraph) =>
      paragraph
        .replace(/\*{3,}/g, "")
        .replace(/\s+/g, " ")
        .trim(),
    )
    .filter((paragraph) => paragraph && !usual.test(paragraph));
}

function withoutShell(model: Model): string[] {
  const found = Object.values(model.hosts).some(({ modules }) => modules.includes("admin_shell"));
  return found || Object.keys(model.hosts).length === 0
    ? []
    : ["admin_shell is not among modules_enabled; changes and accounts go through it"];
}

/** Services of Prosody that want the same port. */
function clashes(ports: WantedPort[]): string[] {
  return ports
    .flatMap((port, index) =>
      ports
        .slice(0, index)
        .filter((other) => other.service !== port.service || other.interface === port.interface)
        .filter((other) => other.port === port.port && overlap(other.interface, port.interface))
        .map(
          (other) => `port ${port.port} is given to ${[other.service, port.service].sort().join(" and to ")}`,
        ),
    )
    .filter((line, index, all) => all.indexOf(line) === index);
}

/** Ports that another process of the host has. */
function foreign(ports: WantedPort[], listening: string, pid: number): string[] {
  const taken = parseSockets(listening).filter(
    ({ holders }) => pid === 0 || !holders.some((holder) => holder.pid === pid),
  );
  const named = ({ holders: [holder] }: ListeningSocket) =>
    holder
      ? `${holder.program} (process ${holder.pid}${holder.service ? ` of ${holder.service}` : ""})`
      : "another process";
  return ports
    .flatMap(({ service, interface: address, port }) =>
      taken
        .filter((other) => other.port === port && overlap(other.address, address))
        .map((other) => `port ${port} of ${service} is taken by ${named(other)}`),
    )
    .filter((line, index, all) => all.indexOf(line) === index);
}

/** Two listeners on these addresses exclude each other. ss writes "*" for a socket of both families. */
function overlap(a: string, b: string): boolean {
  const isSix = (address: string) => address.includes(":");
  const isAny = (address: string) => ["*", "0.0.0.0", "::"].includes(address);
  if (isSix(a) !== isSix(b)) return false;
  return isAny(a) || isAny(b) || a === b;
}

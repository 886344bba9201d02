import type { ConfigFile, ConfigurationInputs, ConfigurationState } from "../configuration";
import type { Found, Mode } from "../configuration/found";
import { moveTime } from "../configuration/migration";
import { putBack } from "../configuration/put-back";
import { directory, mainFile } from "../configuration/scripts";
import { fits } from "../configuration/server";
import { survey } from "../configuration/survey";
import { adopt, change, type Target } from "../configuration/transaction";
import { accounts, isOf } from "../facts/accounts";
import { type Handler, unequal } from "../handler";
import type { Host } from "../host";
import { loseAccess, losesAccess, virtualHosts } from "../stranded";
import { warnOnce } from "../warn";

/** Prosody's configuration files: a transaction over all of them, up to the server that runs them. */
export const configurationHandler: Handler<ConfigurationInputs, ConfigurationState> = {
  inputs: ["files", "secrets", "live"],
  // Staging, a restart of a busy server, and the same again to take the change back; and all data, where they move.
  timeout: 240 + moveTime,

  id: () => mainFile,

  check({ files, secrets }: Partial<ConfigurationInputs>) {
    // Where what they come from failed, an up that goes on with other servers asks all the same, and skips it then.
    if (!files || !secrets) return [];
    const problems = Object.keys(files)
      .filter((path) => path in secrets)
      .map((path) => ({ property: "files", reason: `${path} is among the secrets, too` }));
    if (!files[mainFile]) problems.push({ property: "files", reason: `${mainFile} is missing` });
    for (const [property, group] of Object.entries({ files, secrets }))
      for (const [path, file] of Object.entries(group))
        problems.push(...flaws(path, file).map((reason) => ({ property, reason })));
    return problems;
  },

  diff(state, inputs) {
    for (const domain of leaving(mainHosts(state), inputs)) warnOnce(losesAccess(state.server, domain));
    return unequal(configurationHandler.inputs, state, inputs);
  },

  async create(host, inputs) {
    return bring(host, inputs, []);
  },

  async read(host, state) {
    return (await look(host, state, "look")).state;
  },

  async update(host, state, inputs) {
    return bring(host, inputs, pathsOf(state));
  },

  async delete(host, state) {
    await putBack(host, pathsOf(state));
  },
};

/** @param former paths that this resource had until now */
async function bring(host: Host, inputs: ConfigurationInputs, former: string[]): Promise<ConfigurationState> {
  const wanted: Record<string, Target> = { ...inputs.files, ...inputs.secrets };
  const dropped = former.filter((path) => !(path in wanted));
  const { found, state } = await look(host, { ...inputs, warnings: [] }, "load", dropped);
  if (!found)
    throw new Error(`there is no ${directory}. Install Prosody first: its package makes it, with its user.`);
  const differs = pathsOf(inputs).some((path) => !sameFile(found.files[path], wanted[path] as ConfigFile));
  if (state?.live && !differs && dropped.length === 0) {
    await adopt(host, pathsOf(inputs));
    return state;
  }
  for (const path of dropped) wanted[path] = "original";
  if (former.length === 0) await warnOfOthers(host, inputs, found);
  const warnings = await change(host, wanted, Object.keys(inputs.secrets), found);
  return { ...inputs, live: true, warnings };
}

const mainHosts = ({ files }: ConfigurationInputs) => virtualHosts(files[mainFile]?.content ?? "");

const leaving = (before: string[], wanted: ConfigurationInputs) =>
  before.filter((domain) => !mainHosts(wanted).includes(domain));

/** The virtual host of the distributions' own configuration, which nobody uses. */
const packaged = "localhost";

/** What a preview can't know: who has an account in a server that is taken over. */
async function warnOfOthers(host: Host, inputs: ConfigurationInputs, { model }: Found): Promise<void> {
  const before = Object.entries(model?.hosts ?? {}).flatMap(([name, { component }]) =>
    component || name === packaged ? [] : [name],
  );
  const domains = leaving(before, inputs);
  if (domains.length === 0) return;
  const all = await host.fact(accounts).catch(() => undefined); // a remark that is no reason to give up
  const jids = all?.known ? [...all.verifiers.keys()] : [];
  for (const domain of domains) {
    const count = jids.filter(isOf(domain)).length;
    if (count > 0) warnOnce(loseAccess(inputs.server, domain, count));
  }
}

async function look(
  host: Host,
  state: ConfigurationState,
  mode: Mode,
  more: string[] = [],
): Promise<{ found?: Found; state?: ConfigurationState }> {
  const { found, now } = await survey(host, [...pathsOf(state), ...more], mode);
  if (!found?.files[mainFile]) return { found };
  const pick = (files: Record<string, ConfigFile>) =>
    Object.fromEntries(
      Object.keys(files).flatMap((path) => (found.files[path] ? [[path, found.files[path]]] : [])),
    );
  // Who does not answer proves nothing: a stopped server is shown by its service.
  const proven = now && found.model ? fits(now, found.model) : true;
  return {
    found,
    state: {
      server: state.server,
      files: pick(state.files),
      secrets: pick(state.secrets),
      live: proven && found.cutOff === undefined && !found.isCopyLeft,
      warnings: state.warnings ?? [],
    },
  };
}

function pathsOf({ files, secrets }: Pick<ConfigurationInputs, "files" | "secrets">): string[] {
  return [...Object.keys(files), ...Object.keys(secrets)].sort();
}

function sameFile(a: ConfigFile | undefined, b: ConfigFile): boolean {
  return (
    a !== undefined &&
    a.content === b.content &&
    a.mode === b.mode &&
    a.owner === b.owner &&
    a.group === b.group
  );
}

/** What would keep a file from being staged and checked beside the live ones. */
function flaws(path: string, { content, mode, owner, group }: ConfigFile): string[] {
  const name = path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : "";
  const reasons: string[] = [];
  if (!/^[\w@+-][\w.@+-]*(\/[\w@+-][\w.@+-]*)*$/.test(name))
    reasons.push(
      `${path}: configuration files are below ${directory}, with plain names that don't begin with a dot`,
    );
  if (!/^0[0-7]{3}$/.test(mode)) reasons.push(`${path}: mode ${mode} is not four octal digits, like 0640`);
  if (![owner, group].every((name) => /^[a-z_][a-z0-9_-]*$/.test(name)))
    reasons.push(`${path}: ${owner}:${group} are not names of a user and a group`);
  for (const [, included] of content.matchAll(/\b(?:Include|File\w+)\s*\(?\s*["']([^"']+)["']/g))
    if (included!.startsWith(`${directory}/`))
      reasons.push(
        `${path}: name ${included} relative to this file, so that its candidate is read, not the live one`,
      );
  return reasons;
}

import { unicodeDomain } from "../../config/domain-name";
import type { ConfigFile } from "../configuration";
import { directory, mainFile } from "../configuration/scripts";
import { serves } from "../configuration/server";
import { type Survey, survey } from "../configuration/survey";
import { change, Refusal } from "../configuration/transaction";
import type { ExternalComponentInputs as Inputs } from "../external-component";
import type { Handler } from "../handler";
import type { Host } from "../host";
import { removeFiles, writeFiles } from "../ssh/files";

/** The file of one external component, and the running server's knowledge of it. */
export const externalComponentHandler: Handler<Inputs, Inputs> = {
  inputs: ["component", "path", "content", "mode", "owner", "live"],
  replaceOn: ["component", "path"],
  // A restart, and another to take the change back, of a server that is slow to stop.
  timeout: 480,

  id: ({ component }) => component,

  check: ({ path }) =>
    new RegExp(`^${directory}/[a-z0-9][a-z0-9.-]*$`).test(path)
      ? []
      : [{ property: "path", reason: `${path} is no plain name below ${directory}.` }],

  create: (host, inputs) => host.group("external components write", inputs, (all) => bring(host, all)),

  async read(host, state) {
    const seen = await survey(host, [state.path, mainFile], "look");
    const file = seen.found?.files[state.path];
    if (!file) return undefined;
    return { ...state, ...stateOf(file), live: isLive(seen, state) };
  },

  update: (host, _state, inputs) =>
    host.group("external components write", inputs, (all) => bring(host, all)),

  delete: (host, { path }) =>
    host.group("external components remove", path, async (paths) => {
      await removeFiles(host, paths);
      return paths.map(() => undefined);
    }),
};

async function bring(host: Host, all: Inputs[]): Promise<Inputs[]> {
  const seen = await survey(host, [mainFile, ...all.map(({ path }) => path)], "load");
  const { found } = seen;
  if (!found)
    throw new Error(`there is no ${directory}. Install Prosody first: its package makes it, with its user.`);
  const different = all.filter(
    (inputs) => !isThere(found.files[inputs.path], inputs) || !isLive(seen, inputs),
  );
  if (different.length === 0) return all;
  const text = found.files[mainFile]?.content ?? "";
  // What the main file does not include yet comes to life together with the line that does.
  const isIncluded = different.some(({ path }) => text.includes(`"${path.slice(directory.length + 1)}"`));
  if (!isIncluded) await write(host, different);
  else
    await replace(host, different, seen).catch(async (error) => {
      // Of a configuration that was refused as it stood, the resource of the main file is in charge.
      if (!(error instanceof Refusal) || found.model?.problems.length === 0) throw error;
      await write(host, different);
    });
  return all;
}

async function replace(host: Host, different: Inputs[], { found }: Survey): Promise<void> {
  const targets = Object.fromEntries(different.map((inputs) => [inputs.path, fileOf(inputs)]));
  const paths = Object.keys(targets);
  await change(host, targets, paths, found!, paths);
}

function write(host: Host, different: Inputs[]): Promise<void> {
  return writeFiles(
    host,
    different.map((inputs) => ({ path: inputs.path, ...fileOf(inputs) })),
  );
}

/** Unless the server provably does something else than the files say. */
export function isLive({ found, now }: Survey, { component }: Pick<Inputs, "component">): boolean {
  const name = unicodeDomain(component);
  return !now || !found?.model?.hosts[name] || serves(now, found.model, name);
}

function isThere(file: ConfigFile | undefined, { content, mode, owner }: Inputs): boolean {
  if (!file) return false;
  const state = stateOf(file);
  return state.content === content && state.mode === mode && state.owner === owner;
}

function stateOf({ content, mode, owner, group }: ConfigFile): Pick<Inputs, "content" | "mode" | "owner"> {
  return { content, mode, owner: `${owner}:${group}` };
}

function fileOf({ content, mode, owner: names }: Inputs): ConfigFile {
  const [owner = "", group = ""] = names.split(":");
  return { content, mode, owner, group };
}

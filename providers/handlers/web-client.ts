import type { Handler } from "../handler";
import type { Host } from "../host";
import { npmPackage } from "../npm-package";
import {
  base,
  differences,
  isOwn,
  keepChanges,
  type Listed,
  leaveUsed,
  lines,
  list,
  listed,
} from "../own-directory";
import type { WebClientInputs as Inputs, WebClientState as State } from "../web-client";

/**
 * Puts parts of an archive in the place of a directory, in one step.
 * Input: the directory; the parts, one a line; an empty line; patterns to leave out, likewise; the archive.
 */
export const unpack = `set -eu
umask 022
read -r path
set --
while read -r part && [ -n "$part" ]; do set -- "$@" "$part"; done
while read -r pattern && [ -n "$pattern" ]; do set -- "--exclude=$pattern" "$@"; done
trap 'rm -rf "$path.new"' EXIT
rm -rf "$path.new"
mkdir -p "$path.new"
tar -xz -C "$path.new" --strip-components=1 --no-same-owner --no-same-permissions "$@"
rm -rf "$path.old"
[ ! -e "$path" ] || mv "$path" "$path.old"
mv "$path.new" "$path"
rm -rf "$path.old"
`;

/** Removes a directory that is not in use. */
export const remove = `read -r path
${leaveUsed}rm -rf "$path" "$path.new" "$path.old"
rmdir ${base} 2>/dev/null || true
`;

/** The files of the web client of one server. */
export const webClientHandler: Handler<Inputs, State> = {
  inputs: ["package", "integrity", "parts", "without", "path", "differing"],
  replaceOn: ["path"],
  // Ten megabytes, first from the registry and then over SSH, at 64 kbit/s.
  timeout: 2400,

  id: ({ path }) => path,

  check: ({ path }) =>
    isOwn(path) ? [] : [{ property: "path", reason: `${path} is no directory of this program.` }],

  create: bring,

  async read(host, state) {
    const { isThere, files } = await look(host, state.path);
    return isThere ? { ...state, differing: differences(state.written, files) } : undefined;
  },

  async update(host, state, inputs) {
    await keep(host, state);
    return bring(host, inputs);
  },

  async delete(host, state) {
    await keep(host, state);
    await host.run(remove, { doing: `removing ${state.path}`, input: lines(state.path), changes: true });
  },
};

async function look(host: Host, path: string): Promise<Listed> {
  const { stdout } = await host.run(list, {
    doing: "reading the web client",
    input: lines(path),
    together: true,
  });
  return listed(stdout);
}

async function bring(host: Host, inputs: Inputs): Promise<State> {
  const { package: spec, integrity, parts, without, path } = inputs;
  const archive = await npmPackage(spec, integrity);
  await host.run(unpack, {
    doing: `unpacking ${spec}`,
    input: Buffer.concat([Buffer.from(lines(path, ...parts, "", ...without, "")), archive]),
    timeout: 300,
    changes: true,
    fix: "Are tar and gzip there, and space on the disk?",
  });
  const { files } = await look(host, path);
  return { ...inputs, differing: [], written: files };
}

async function keep(host: Host, { path, written }: State): Promise<void> {
  await keepChanges(host, "web-client", path, written, await look(host, path));
}

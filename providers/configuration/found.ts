import type { ConfigFile } from "../configuration";
import { listeningSockets } from "../facts/sockets";
import type { Host } from "../host";
import { luaInput, parseBytes } from "../lua";
import type { Model } from "./model";
import * as scripts from "./scripts";

/** What the host says about the files and the service, without asking the server. */
export interface Found {
  files: Record<string, ConfigFile>;
  /** A change of them did not come to its end; the state of the service before it. */
  cutOff: string | undefined;
  /** A copy of all data is left of a move that was given up; the next change deletes it. */
  isCopyLeft: boolean;
  /** This program has been here: it keeps what was there before. */
  known: boolean;
  /** As `systemctl is-active` says: active, inactive, failed, …; "masked" for one that can't be started. */
  service: string;
  model: Model | undefined;
}

/** How closely a configuration is looked at: `load` for a change of it, to which the code of the modules matters. */
export type Mode = "load" | "look";

/** The files at these paths, and what Prosody makes of the main one. */
export async function find(host: Host, paths: string[], mode: Mode = "load"): Promise<Found | undefined> {
  const { code, stdout } = await host.run(scripts.read, {
    doing: "reading Prosody's configuration",
    input: Buffer.concat([lines(...paths.map(relative), "end"), inspectInput(scripts.mainFile, mode)]),
    accept: [0, scripts.noDirectory],
    together: true,
  });
  return code === 0 ? found(stdout) : undefined;
}

export function found(stdout: string): Found {
  const all = stdout.split("\n");
  const files = all.flatMap((line) => {
    const match = /^file (\S+) (\d+) (\S+) (\S+) (\S*)$/.exec(line);
    if (!match) return [];
    const [, name, mode, owner, group, content] = match as unknown as string[];
    const file = {
      content: Buffer.from(content!, "base64").toString("utf8"),
      mode: mode!.padStart(4, "0"),
      owner: owner!,
      group: group!,
    };
    return [[`${scripts.directory}/${name}`, file] as const];
  });
  const after = (label: string) => all.find((line) => line.startsWith(label))?.slice(label.length);
  return {
    files: Object.fromEntries(files),
    cutOff: after("cut off "),
    isCopyLeft: all.includes("copy left"),
    known: all.includes("known"),
    service: after("service ") ?? "unknown",
    model: marked(stdout, "model") as Model | undefined,
  };
}

/** Whether the service runs, or is on its way to. */
export function isRunning({ service }: Found): boolean {
  return ["active", "reloading", "activating"].includes(service);
}

/** A file's path as the scripts take it. */
export function relative(path: string): string {
  return path.slice(scripts.directory.length + 1);
}

/** Input of a script. */
export function lines(...all: string[]): Buffer {
  return Buffer.from(all.map((line) => `${line}\n`).join(""));
}

/** Input of {@link scripts.inspect}. */
export function inspectInput(file: string, mode: "check" | Mode): Buffer {
  return luaInput(
    ["common", "prosody", "misspelt", "inspect"],
    lines(file, mode, listeningSockets("-Hltnp")),
  );
}

/** The JSON of the line that starts with "@name". */
export function marked(stdout: string, name: string): unknown {
  const line = stdout.split("\n").find((each) => each.startsWith(`@${name} `));
  return line && parseBytes(line.slice(name.length + 2));
}

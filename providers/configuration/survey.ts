import type { Host } from "../host";
import { GroupCommit } from "../ssh/group";
import { type Found, find, type Mode } from "./found";
import type { Running } from "./model";
import { running } from "./server";

/** What is on the host, and what the server makes of it. */
export interface Survey {
  /** `undefined` where Prosody is not installed. */
  found: Found | undefined;
  /** `undefined` when the server does not answer. */
  now: Running | undefined;
}

interface Request {
  paths: string[];
  mode: Mode;
}

const surveys = new WeakMap<Host, GroupCommit<Request, Survey>>();

/** The files at these paths, and the server. All who ask while one answer is under way share the next one. */
export function survey(host: Host, paths: string[], mode: Mode): Promise<Survey> {
  let group = surveys.get(host);
  if (!group) {
    group = new GroupCommit();
    surveys.set(host, group);
  }
  return group.add({ paths, mode }, async (requests) => {
    const all = [...new Set(requests.flatMap((request) => request.paths))].sort();
    const most = requests.some((request) => request.mode === "load") ? "load" : "look";
    const [found, now] = await Promise.all([find(host, all, most), running(host, most === "load")]);
    return requests.map(() => ({ found, now }));
  });
}

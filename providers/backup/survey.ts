import type { Fact } from "../host";
import { luaInput, luaScript, notInstalled, parseBytes } from "../lua";

/** What is on a host before a backup or a restore. */
export interface Survey {
  /** Version of Prosody; `undefined` where it is not installed. */
  version?: string;
  /** Directory of its data. */
  data: string;
  /** Virtual hosts and components → "" or the component's module. */
  hosts: Record<string, string>;
  /** Whether any store is in files (internal storage). */
  files: boolean;
  databases: { driver: string; database: string; host?: string; port?: number }[];
  /** Drivers of stores that are in none of these ways, as far as they keep anything. */
  others?: string[];
}

/** What Prosody's own configuration on the host says of its data. */
export const survey: Fact<Survey> = {
  name: "Prosody's storage",
  script: `( ${luaScript} ) || { code=$?; [ $code = ${notInstalled} ] || exit $code; }`,
  input: luaInput(["wire", "common", "prosody", "databases", "survey"], Buffer.alloc(0)),
  parse(stdout) {
    const line = stdout.split("\n").find((each) => each.startsWith("{"));
    if (!line) return { data: "/var/lib/prosody", hosts: {}, files: false, databases: [] };
    const found = parseBytes(line) as Survey & { unreadable?: string };
    if (found.unreadable !== undefined) throw new Error(found.unreadable);
    return found;
  },
};

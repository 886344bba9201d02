import { homedir } from "node:os";
import path from "node:path";

/** Paths of the stack config may begin with `~/`, as in ssh_config(5). */
export function expandHome(file: string): string {
  return file === "~" || file.startsWith("~/") ? path.join(homedir(), file.slice(1)) : file;
}

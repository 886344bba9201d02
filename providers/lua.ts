import { readFileSync } from "node:fs";
import path from "node:path";
import { adminSockets as familySockets } from "../config/family";
import { root } from "../config/root";

/**
 * A shell script that runs the Lua program it reads from standard input, see {@link luaInput}, with the
 * interpreter that Prosody uses on this host. Exits with {@link notInstalled} when there is no Prosody.
 *
 * The program comes over standard input because arguments end up in process lists and in sudo's log.
 */
export const luaScript = `PROSODYCTL=$(command -v prosodyctl) || { echo "Prosody is not installed on the host; pulumi up installs it" >&2; exit 78; }
read -r interpreter < "$PROSODYCTL"
export PROSODYCTL
exec \${interpreter#??} -e 'local size = io.read("*l") assert(load(io.read(tonumber(size)), "=program"))()'`;

/** Exit code of {@link luaScript} on a host without Prosody: EX_CONFIG of sysexits.h. */
export const notInstalled = 78;

/** Where an admin socket may be: as this program configures it, and the distributions' defaults. */
export const adminSockets = Object.values(familySockets).join(":");

/**
 * Standard input of {@link luaScript}.
 * @param program names of the files `lua/<name>.lua` that make the program, in this order
 * @param input what the program reads then
 */
export function luaInput(program: string | readonly string[], input: Buffer): Buffer {
  return Buffer.concat([lengthPrefixed([program].flat().map(luaSource).join("")), input]);
}

/** The text of `lua/<name>.lua`, without the comments and the indentation that only readers need. */
export function luaSource(name: string): string {
  const text = readFileSync(path.join(root, "providers/lua", `${name}.lua`), "utf8");
  return text.replace(/^ *(--.*)?\n/gm, "").replace(/^ +/gm, "");
}

/** The length in bytes on a line, then the bytes: nothing needs escaping. */
export function lengthPrefixed(content: string | number): Buffer {
  const bytes = Buffer.from(String(content));
  return Buffer.concat([Buffer.from(`${bytes.length}\n`), bytes]);
}

/** A Lua string literal in printable ASCII alone, so that it passes any transport and fits in one line. */
export function luaString(value: string): string {
  const characters = [...Buffer.from(value)].map((byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\${String(byte).padStart(3, "0")}`,
  );
  return `"${characters.join("")}"`;
}

/** A line of JSON as the Lua programs print it: each byte of UTF-8 that is not ASCII is one \u00XX. */
export function parseBytes(line: string): unknown {
  const bytes = line.replace(/\\u00([89a-f][0-9a-f])/g, (_escape, byte) =>
    String.fromCharCode(Number.parseInt(byte, 16)),
  );
  return JSON.parse(Buffer.from(bytes, "latin1").toString("utf8"));
}

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/**
 * A shell script that runs a Lua program which it reads from standard input, see {@link luaInput}, with the
 * interpreter that Prosody uses on this host. Exits with {@link notInstalled} when there is no Prosody.
 *
 * The program comes over standard input because arguments end up in process lists and in sudo's log.
 */
export const luaScript = `cd /
prosodyctl=$(command -v prosodyctl) || { echo "prosodyctl: not found" >&2; exit 78; }
read -r interpreter < "$prosodyctl"
PROSODYCTL=$prosodyctl exec \${interpreter#??} -e 'local n = io.read("*l") assert(load(io.read(tonumber(n)), "=program"))()'`;

/** Exit code of {@link luaScript} on a host without Prosody (EX_CONFIG of sysexits.h). */
export const notInstalled = 78;

/** Standard input of {@link luaScript}: the program `lua/<name>.lua`, then the program's own input. */
export function luaInput(name: string, input: Buffer): Buffer {
  return Buffer.concat([lengthPrefixed(luaSource(name)), input]);
}

/** The length in bytes on a line, then the bytes: what `io.read` takes apart without any escaping. */
export function lengthPrefixed(content: string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.from(`${bytes.length}\n`), bytes]);
}

/** The text of `providers/lua/<name>.lua`, without the comments and the indentation that only readers need. */
export function luaSource(name: string): string {
  const text = readFileSync(path.join(root(), "providers/lua", `${name}.lua`), "utf8");
  return text.replace(/^ *(--.*)?\n/gm, "").replace(/^ +/gm, "");
}

/** A Lua string literal, in printable ASCII alone: safe in XML, in logs of errors, and in one line. */
export function luaString(value: string): string {
  const escaped = [...Buffer.from(value)].map((byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\${String(byte).padStart(3, "0")}`,
  );
  return `"${escaped.join("")}"`;
}

/**
 * One line of JSON as the Lua programs print it: each byte outside of printable ASCII is one \u00XX, whatever
 * its encoding. Strings in the value are decoded as UTF-8.
 */
export function parseBytes(line: string): unknown {
  return JSON.parse(line, (_key, value) =>
    typeof value === "string" ? Buffer.from(value, "latin1").toString("utf8") : value,
  );
}

/** The project's directory, from the sources as well as from the compiled files in `bin/`. */
function root(): string {
  let directory = __dirname;
  while (!existsSync(path.join(directory, "package.json"))) directory = path.dirname(directory);
  return directory;
}

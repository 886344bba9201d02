import assert from "node:assert/strict";
import { Secret } from "../config/secret";
import type { LuaValue } from "../config/settings";

/** What to do with a {@link Secret}: `refuse` throws, `reveal` writes its text. */
export type SecretPolicy = "refuse" | "reveal";

/** Longest table that stays on one line, in characters. */
const width = 90;

/** Words that Lua keeps for itself (Lua 5.4 manual, 3.1), so that they can't be a bare key or an option's name. */
const keywords = new Set(
  (
    "and break do else elseif end false for function goto if in local nil not or repeat return then true " +
    "until while"
  ).split(" "),
);

/** True when Lua accepts the text as a variable or as a bare table key. */
export function isIdentifier(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text) && !keywords.has(text);
}

/**
 * A Lua 5.1 to 5.4 expression that evaluates to exactly this value. Arrays become lists, objects tables with
 * string keys, in JavaScript's order of keys; a long table is spread over lines, indented by tabs.
 * @throws Error for what Lua can't hold exactly (NaN, infinity, an integer beyond 2^53, half a surrogate pair),
 *   for null or undefined, and for a {@link Secret} unless `secrets` says `reveal`.
 */
export function lua(value: LuaValue, secrets: SecretPolicy = "refuse", indent = ""): string {
  if (value instanceof Secret) return luaString(reveal(value, secrets));
  switch (typeof value) {
    case "string":
      return luaString(value);
    case "number":
      return luaNumber(value);
    case "boolean":
      return String(value);
    case "object":
      if (value !== null) return luaTable(value, secrets, indent);
  }
  assert.fail(`Lua has no value for ${String(value)}: leave the option out instead.`);
}

function reveal(secret: Secret, secrets: SecretPolicy): string {
  assert(
    secrets === "reveal",
    "A secret value was about to be written into a file that everybody may see in a preview.",
  );
  return secret.reveal();
}

function luaNumber(value: number): string {
  assert(Number.isFinite(value), `${value} is not a number that an option can have.`);
  assert(
    !Number.isInteger(value) || Number.isSafeInteger(value),
    `${value} is beyond 2^53, where digits get lost: write it as a string.`,
  );
  return String(value);
}

/**
 * Control characters would break the line; invisible and direction-changing ones would let a value look like
 * something else to whoever reads the file.
 */
const unreadable =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to be found
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"\\]/g;

function luaString(text: string): string {
  assert(
    !/\p{Surrogate}/u.test(text),
    `${JSON.stringify(text)} holds half a surrogate pair: it is no Unicode text.`,
  );
  return `"${text.replace(unreadable, escaped)}"`;
}

function escaped(character: string): string {
  if (character === '"' || character === "\\") return `\\${character}`;
  if (character === "\n") return "\\n";
  // Three digits always: "\0" followed by the text "1" would be read as character 1.
  return [...Buffer.from(character)].map((byte) => `\\${String(byte).padStart(3, "0")}`).join("");
}

function luaTable(
  table: LuaValue[] | { [key: string]: LuaValue },
  secrets: SecretPolicy,
  indent: string,
): string {
  const inner = `${indent}\t`;
  const fields = Array.isArray(table)
    ? // Array.from: a hole in the array must be refused, not skipped.
      Array.from(table, (item) => lua(item, secrets, inner))
    : Object.entries(table).map(([key, item]) => `${luaKey(key)} = ${lua(item, secrets, inner)}`);
  if (fields.length === 0) return "{}";
  const line = `{ ${fields.join(", ")} }`;
  if (line.length <= width && !line.includes("\n")) return line;
  return `{\n${fields.map((field) => `${inner}${field},\n`).join("")}${indent}}`;
}

function luaKey(key: string): string {
  return isIdentifier(key) ? key : `[${luaString(key)}]`;
}

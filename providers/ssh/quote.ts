import assert from "node:assert/strict";

/** A piece of script that {@link sh} inserts as it is, because it was built by {@link sh} before. */
class Fragment {
  constructor(readonly script: string) {}
}

type Word = string | number;

/**
 * Quotes one word for a POSIX shell, so that it arrives as one argument whatever is in it.
 *
 * Backslashes and apostrophes stand outside of the apostrophes: there, fish and csh read them as sh does.
 * @throws Error when the word has a NUL character, which no argument can carry.
 */
export function quote(word: Word): string {
  const text = String(word);
  assert(
    !text.includes("\0"),
    `${JSON.stringify(text)} has a NUL character, which can't be passed to a command.`,
  );
  if (/^[\w+,./:@-]+$/.test(text)) return text;
  return `'${text.replace(/['\\]/g, "'\\$&'")}'`;
}

/**
 * A POSIX shell script as a template: each interpolated value becomes one quoted word, each item of an array a
 * word of its own. A script built by `sh` is inserted into another with {@link raw}.
 *
 * @example sh`systemctl enable ${units} && ${raw(check)}`
 */
export function sh(texts: TemplateStringsArray, ...values: (Word | readonly Word[] | Fragment)[]): string {
  return texts.reduce((script, text, index) => script + insert(values[index - 1]!) + text);
}

/** Marks a script that {@link sh} built for insertion into another one. Never pass it anything else. */
export function raw(script: string): Fragment {
  return new Fragment(script);
}

function insert(value: Word | readonly Word[] | Fragment): string {
  if (value instanceof Fragment) return value.script;
  return typeof value === "object" ? value.map(quote).join(" ") : quote(value);
}

import { printable } from "./ssh/errors";

const warned = new Set<string>();

/** Warns in a provider, once a run: the engine shows what it writes on standard error among its diagnostics. */
export function warnOnce(text: string): void {
  if (!warned.has(text)) process.stderr.write(`${printable(text)}\n`);
  warned.add(text);
}

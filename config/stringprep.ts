import saslprep from "@mongodb-js/saslprep";

/**
 * Characters younger than Unicode 3.2, which Stringprep (RFC 3454) is made of, that today's normalisation or folding
 * turns into older ones, and the five of Unicode's Corrigendum 4. JavaScript maps them; Prosody (ICU) does not, so
 * that the two would disagree about a name or a password. Found by comparing all code points up to U+2FFFF with
 * `util.encodings.stringprep` of Prosody 0.12 and 13.
 */
const younger =
  /[\u023D-\u0245\u037F\u03CF\u03F9\u10FC\u1C90-\u1DBF\u2090-\u209C\u213B\u213C\u2150-\u2152\u2189\u2C62-\u2C7D\u321D\u321E\u3244-\u3250\u327C-\u327E\u32CC-\u32CF\u32FF\u3377-\u337A\u33DE\u33DF\u33FF\uA69C-\uAB69\uFA2E\uFA2F\uFA6B-\uFAD9\uFE10-\uFE19\uFE47\uFE48\u{10781}-\u{1CCF9}\u{1D4C1}\u{1D6A4}\u{1D7CA}\u{1D7CB}\u{1E030}-\u{1FBF9}\u{2F868}\u{2F874}\u{2F91F}\u{2F95F}\u{2F9BF}]/u;

/**
 * The text as SASLprep (RFC 4013) has it, or `undefined` when it has characters that SASLprep forbids or that Prosody
 * prepares otherwise.
 */
export function prepare(text: string): string | undefined {
  if (younger.test(text)) return undefined;
  try {
    return saslprep(text);
  } catch {
    return undefined;
  }
}

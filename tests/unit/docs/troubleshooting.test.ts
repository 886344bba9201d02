import { readFileSync } from "node:fs";
import path from "node:path";
import { root } from "../../../config/root";
import { reference } from "../../../tools/reference";
import { type Message, messages } from "../../helpers/messages";

const page = readFileSync(path.join(root, "docs/troubleshooting.md"), "utf8");

/** Code spans; of those at the beginning of a list's item, one after the other, the page says that they are errors. */
const span = /(?<!`)(?:``(?!`) ?(.+?) ?``(?!`)|`([^`\n]+)`)(?!`)/g;
const spansOf = (text: string) => [...text.matchAll(span)].map(([, long, short]) => (long ?? short)!);
const quoted = spansOf(page);
const entries = [...page.matchAll(/^ *- ((?:(?:``.+?``|`[^`\n]+`) )+)/gm)].flatMap(([, spans]) =>
  spansOf(spans!),
);

/** A text of the page that ends with … is the beginning of a message. */
function isOf(text: string, message: string): boolean {
  const beginning = text.replace(/[ :;.]*…$/, "");
  const isBeginning = text.endsWith("…") && /\w+\W+\w+/.test(beginning);
  return text === message || `${text}.` === message || (isBeginning && message.startsWith(beginning));
}

/**
 * Reasons of `npm run verify` stand in a line that names the check and the option that mends it; refusals stand in a
 * report that names the option and the value. The page explains both reports instead of each text.
 */
const isExplainedByItself = ({ file, isRefusal }: Message) => isRefusal || file.startsWith("verify/");

describe("docs/troubleshooting.md", () => {
  let all: Message[];
  beforeAll(() => {
    all = messages();
  }, 120_000);

  test("has every error of the code", () => {
    const lacking = all
      .filter((message) => !isExplainedByItself(message))
      .filter(({ text }) => !quoted.some((each) => isOf(each, text)))
      .map(({ file, text }) => `${file}: ${text}`);
    expect(lacking).toEqual([]);
  });

  test("has no error that the code has not", () => {
    const stale = entries.filter((entry) => !all.some(({ text }) => isOf(entry, text)));
    expect(stale).toEqual([]);
    expect(entries.length).toBeGreaterThan(150);
  });

  test("has a row for every option, and no other", () => {
    const rows = [...page.matchAll(/^\| (`\w+`(?:, `\w+`)*) \|/gm)].flatMap(([, options]) =>
      spansOf(options!),
    );
    const sections = [...reference().matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
    expect(rows.sort()).toEqual(sections.sort());
  });
});

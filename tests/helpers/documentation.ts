import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { root } from "../../config/root";

/** A page of the documentation: its file, from the clone on, and its text. */
export interface Page {
  file: string;
  text: string;
}

/** README.md, CONTRIBUTING.md and all of docs/. */
export function pages(): Page[] {
  const docs = readdirSync(path.join(root, "docs")).filter((name) => name.endsWith(".md"));
  return ["README.md", "CONTRIBUTING.md", ...docs.map((name) => `docs/${name}`)].map((file) => ({
    file,
    text: readFileSync(path.join(root, file), "utf8"),
  }));
}

/** Blocks of code of one language; `""` for those that name none, which are commands and what they print. */
export function blocks({ text }: Page, language: string): string[] {
  return [...text.matchAll(/^( *)```(.*)\n([\s\S]*?)^\1```$/gm)]
    .filter(([, , of]) => of === language)
    .map(([, indent, , code]) => code!.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
}

/** The commands of `npm` and `pulumi` that a page names, in blocks and in sentences, as one would type them. */
export function commands(page: Page): string[] {
  const lines = blocks(page, "").flatMap((block) => block.split("\n"));
  const spans = [...page.text.replace(/^( *)```[\s\S]*?^\1```$/gm, "").matchAll(/`([^`\n]+)`/g)].map(
    ([, span]) => span!,
  );
  return [...lines, ...spans]
    .flatMap((line) => line.split(/ && /))
    .map((line) => line.replace(/ +#.*/, "").trim())
    .filter((line) => /^(npm|pulumi) [a-z]/.test(line));
}

/** The options of a command, such as `--stack`: those of the tool, not of what it runs. */
export const flags = (command: string): string[] => command.match(/(?<= )--[a-z][\w-]*/g) ?? [];

import { writeFileSync } from "node:fs";
import path from "node:path";
import { thisMachine } from "../config/environment";
import { jsonSchema } from "../config/parse";
import type { JsonSchema } from "../config/problems";
import { root } from "../config/root";
import { either } from "../config/words";

export const file = path.join(root, "docs/configuration.md");

/** What the schema's JSON Schema holds for readers, besides what {@link JsonSchema} needs. */
interface Described extends JsonSchema {
  type?: string;
  enum?: string[];
  default?: unknown;
  required?: string[];
  description?: string;
  form?: string;
  otherwise?: string;
  example?: string;
}

const introduction = `# Configuration

*Written by \`npm run reference\` from the schema in config/. Change the schema, not this file.*

Options stand in \`Pulumi.STACK.yaml\` below \`config:\`, each with \`prosody:\` before its name; [Pulumi.example.yaml](Pulumi.example.yaml) has most of them. You may edit that file, or set one option at a time:

\`\`\`
pulumi config set --path 'ports.https' 8443
pulumi config set --path --secret 'jids["alice@example.com"]' 'her first password'
\`\`\`

- **Secrets** are encrypted by \`--secret\`, and then read \`{ secure: v1:… }\`. What is marked as secret works in clear, too, but a warning tells you.
- **Paths** of files start where Pulumi.yaml is; \`~\` is your home.
- **Mistakes** are reported all at once, before anything is touched: unknown options, values, ports that clash, certificates that don't fit their domain.
- **An empty value** is a mistake, except for an account (it must not exist). Leave out what you don't want to set.
`;

/** The reference of all options, as Markdown. */
export function reference(): string {
  const all = jsonSchema(thisMachine()) as Described;
  const sections = Object.entries(all.properties as Record<string, Described>);
  const overview = sections.map(([name, section]) => [
    `[${name}](#${name.toLowerCase()})`,
    firstSentence(section.description ?? ""),
  ]);
  return [
    introduction,
    table(["Option", "Meaning"], overview),
    ...sections.map(([name, section]) =>
      describeSection(name, section, all.required?.includes(name) ?? false),
    ),
  ].join("\n");
}

function describeSection(name: string, section: Described, required: boolean): string {
  const rows = name === "servers" ? [] : rowsOf(section, ""); // its options are this page's
  const standard =
    rows.length > 0 && !required && !section.otherwise ? "" : `  \nDefault: ${defaultOf(section, required)}`;
  return [
    `## ${name}\n`,
    `${section.description}\n`,
    `Value: ${formOf(section)}${standard}\n`,
    ...(section.example ? [`\`\`\`yaml\n${yaml(section.example)}\n\`\`\`\n`] : []),
    ...(rows.length > 0 ? [table(["Option", "Value", "Default", "Meaning"], rows)] : []),
  ].join("\n");
}

/** A row per option of a map, or of each entry of a map whose keys are free. */
function rowsOf(section: Described, prefix: string): string[][] {
  const parent = (section.additionalProperties || section) as Described;
  const shown = new Set<string>();
  return Object.entries((parent.properties ?? {}) as Record<string, Described>).flatMap(([name, option]) => {
    const items = JSON.stringify(option.items);
    const ofItems = shown.has(items) ? [] : rowsOf((option.items ?? {}) as Described, `${prefix}${name}[].`);
    shown.add(items);
    return [
      [
        `\`${prefix}${name}\``,
        formOf(option),
        defaultOf(option, parent.required?.includes(name) ?? false),
        `${option.description}${option.example && !option.example.includes("\n") ? ` Example: \`${option.example}\`` : ""}`,
      ],
      ...ofItems,
    ];
  });
}

function formOf({ form, type, enum: values }: Described): string {
  if (form) return form;
  if (values) return either(values.map((value) => `\`${value}\``));
  return type === "boolean" ? "`true` or `false`" : "text";
}

function defaultOf({ default: standard, otherwise }: Described, required: boolean): string {
  if (otherwise) return otherwise;
  if (required) return "required";
  const isNothing =
    standard === undefined || (typeof standard === "object" && Object.keys(standard ?? {}).length === 0);
  return isNothing ? "none" : `\`${typeof standard === "string" ? standard : JSON.stringify(standard)}\``;
}

/** As it stands in the stack's file. */
function yaml(example: string): string {
  return `config:\n${example.replace(/^/gm, "  ").replace(/^ {2}(?=\S)/, "  prosody:")}`;
}

function firstSentence(text: string): string {
  return /^.*?[.:](?=\s|$)/.exec(text)?.[0]?.replace(/:$/, ".") ?? text;
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return `${[line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n")}\n`;
}

export function main(): number {
  writeFileSync(file, reference());
  return 0;
}

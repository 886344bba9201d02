import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "../../../config/parse";
import { root } from "../../../config/root";
import { file, reference } from "../../../tools/reference";

test("docs/configuration.md is what the schema says; `npm run reference` writes it", () => {
  expect(readFileSync(file, "utf8")).toBe(reference());
});

test("every option is described", () => {
  expect(reference()).not.toMatch(/undefined|\[object Object\]/);
  for (const [, meaning] of reference().matchAll(/^\|.*\| ([^|]*) \|$/gm)) expect(meaning).not.toBe("");
});

test("Pulumi.yaml declares every option, and no other", () => {
  const sections = [...reference().matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
  const project = readFileSync(path.join(root, "Pulumi.yaml"), "utf8");
  const declared = [...project.slice(project.indexOf("\nconfig:")).matchAll(/^ {2}(\w+):$/gm)].map(
    ([, name]) => name,
  );
  expect(declared).toEqual(sections);
});

test("an option's default in the reference is its default", () => {
  const { problems } = parse(
    {},
    {
      files: { resolve: String, exists: () => false, mode: () => 0, list: () => [], read: String },
      now: new Date(),
    },
  );
  expect(problems.map(({ option }) => option)).toEqual(["prosody:host", "prosody:domains"]);
  expect(reference().match(/^Default: required$/gm)).toHaveLength(1);
});

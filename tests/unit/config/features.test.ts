import { readFileSync } from "node:fs";
import path from "node:path";
import { features } from "../../../config/features";
import { coreModules } from "../../../config/module-names";
import { releases } from "../../../config/release";

test.each(releases)("the table agrees with what %s brings", (release) => {
  for (const { module, origin } of features)
    expect([module, coreModules[release].has(module)]).toEqual([module, origin[release] === "core"]);
});

test("docs/server.md shows the table", () => {
  const cell = (origin: string, module: string) => (origin === "core" ? `\`${module}\`` : origin);
  const rows = features.map(({ module, group, what, specs, where, origin }) => {
    const names = specs.map((spec) => (spec.startsWith("RFC") ? spec : `XEP-${spec}`)).join(", ");
    const named = releases.map((release) =>
      ["community", "own"].includes(origin[release])
        ? `\`${module}\`, ${origin[release]}`
        : cell(origin[release], module),
    );
    return `| ${[group.replace(/:.*/, ""), what, names, where, ...named].join(" | ")} |`;
  });
  const table = [
    "| | What | Specifications | Loaded on | 0.12 | 13.0 |",
    "|---|---|---|---|---|---|",
    ...rows,
  ];
  const page = readFileSync(path.join(__dirname, "../../../docs/server.md"), "utf8");
  const first = page.slice(0, page.indexOf("\n## ")).split("\n");
  expect(first.filter((line) => line.startsWith("|"))).toEqual(table);
});

import { parse } from "../../../config/parse";
import { line } from "../../../config/problems";
import { badConfigs } from "../../fixtures/bad-configs";
import { environment } from "../../fixtures/bad-configs/base";

test.each(badConfigs)("$name", ({ config, problems, encrypted, env }) => {
  const parsed = parse(config, env ?? environment, new Set(encrypted));
  expect(parsed.problems.map(line)).toEqual(problems);
});

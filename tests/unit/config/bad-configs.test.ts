import { parse } from "../../../config/parse";
import { line, type Problem, report } from "../../../config/problems";
import { badConfigs } from "../../fixtures/bad-configs";
import { type BadConfig, environment, files, good, sshKeys } from "../../fixtures/bad-configs/base";

const found = new Map<BadConfig, Problem[]>();

test.each(badConfigs)("$name", (bad) => {
  const { problems } = parse(bad.config, bad.env ?? environment, new Set(bad.encrypted));
  found.set(bad, problems);
  expect(problems.map(line)).toEqual(bad.problems);
});

test("there are more than 300 different mistakes", () => {
  const texts = badConfigs.map(({ config, encrypted, env, file }) =>
    JSON.stringify([config, encrypted, !!env, file]),
  );
  expect(texts.filter((text, index) => texts.indexOf(text) !== index)).toEqual([]);
  expect(badConfigs.length).toBeGreaterThan(300);
});

test("what the mistakes are made in has none itself", () => {
  expect(parse(good(), environment).problems).toEqual([]);
});

const keyLines = [...Object.values(files), sshKeys.encrypted.private]
  .filter((content) => typeof content === "string" && content.includes("PRIVATE KEY"))
  .flatMap((content) => String(content).split("\n"))
  .filter((text) => text.length > 40);

test("no report shows a password, a passphrase or a line of a key", () => {
  expect(found.size).toBe(badConfigs.length);
  const shown = [...found.values()].map(report).join("\n");
  expect(keyLines.length).toBeGreaterThan(20);
  for (const secret of ["hunter", "hun", "correct horse", "open sesame", "12345", ...keyLines])
    expect(shown).not.toContain(secret);
});

/** Every text in a value that is long enough to be recognised. */
function texts(value: unknown): string[] {
  if (typeof value === "string") return value.length > 3 ? [value] : [];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(texts) : [];
}

test("no report shows a value of an option that is stored encrypted", () => {
  const shown = badConfigs.flatMap(({ config, env }) =>
    parse(config, env ?? environment, new Set(Object.keys(config))).problems.flatMap(({ value, message }) => [
      ...(value === undefined ? [] : [value]),
      ...texts(config).filter((text) => message.includes(text)),
    ]),
  );
  // Words of the messages themselves, and names in certificates, which are public.
  expect([...new Set(shown)].sort()).toEqual([
    "admins",
    "alice@example.com",
    "cloudflare",
    "http_openmetrics",
    "letsencrypt.org",
    "package",
    "prosody",
    "rfc2136",
    "upload",
    "websocket",
    "xmpp.example.com",
  ]);
});

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { root } from "../../../config/root";

const later = join(root, "tools/later.cjs");
const load = 'require("@pulumi/pulumi"); require("zod");';
const putOff = `require(${JSON.stringify(later)}).putOff(require.resolve("@pulumi/pulumi"));`;

/** Which of the modules are loaded really. */
const show = `console.log(["typescript", "@npmcli/arborist", "zod/v4/locales"].filter((name) => {
  const module = require.cache[require.resolve(name)];
  return module && !require("node:util").types.isProxy(module.exports);
}).join(" "));`;

/** In a process of its own: modules are loaded once in each. */
function run(...args: string[]): string {
  const env = { ...process.env, NODE_OPTIONS: "" };
  return execFileSync(process.execPath, args, { cwd: root, encoding: "utf8", env, stdio: "pipe" }).trim();
}

test("the SDK and zod start without what they would load and this program does not use", () => {
  expect(run("-e", load + show)).toBe("typescript @npmcli/arborist zod/v4/locales");
  expect(run("-e", putOff + load + show)).toBe("");
});

test("what was put off is there for who uses it after all", () => {
  const use = `${load} const of = (value) => () => value;
    require("@pulumi/pulumi").runtime.serializeFunction(of(42)).then(({ text }) => {
      console.log(/=> *value/.test(text), typeof require("zod").z.locales.de, "Arborist" in require("@npmcli/arborist"));
      ${show}
    });`;
  expect(run("-e", putOff + use)).toBe("true function true\ntypescript @npmcli/arborist zod/v4/locales");
});

/** What `code` prints in a process that NODE_OPTIONS has load later.cjs, and that is called as the SDK's own `command`. */
function runAs(command: string, code: string): string {
  const directory = mkdtempSync(join(tmpdir(), "prosody-later-"));
  const file = join(directory, "cmd", command, "index.js");
  try {
    symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, code);
    return run("--require", later, file);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("loaded by NODE_OPTIONS, it acts on the program and the provider alone", () => {
  expect(runAs("dynamic-provider", load + show)).toBe("");
  expect(runAs("run", load + show)).toBe("");
  expect(runAs("other", load + show)).toBe("typescript @npmcli/arborist zod/v4/locales");
});

test("the program starts without the source maps of the SDK", () => {
  const code = `require("source-map-support/register");
    console.log(require.resolve("source-map-support") in require.cache);`;
  expect(runAs("run", code)).toBe("false");
  expect(runAs("dynamic-provider", code)).toBe("true");
});

test("a provider whose engine is killed before it asks for anything ends, too", async () => {
  const provider = join(root, "node_modules/@pulumi/pulumi/cmd/dynamic-provider");
  const child = spawn(process.execPath, ["--require", later, provider, "127.0.0.1:1"], { stdio: "pipe" });
  try {
    const [port] = await once(child.stdout, "data"); // what the engine waits for
    expect(String(port)).toMatch(/^\d+\n$/);
    child.stdin.end();
    expect(await once(child, "exit", { signal: AbortSignal.timeout(5_000) })).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
  }
});

import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import os, { tmpdir } from "node:os";
import { join } from "node:path";
import { findEngine, isAtLeast, onPath, pinnedVersion } from "../../../tools/find-engine";

const directory = mkdtempSync(join(tmpdir(), "prosody-engine-"));
const before = { ...process.env };
let messages: string;

beforeEach(() => {
  messages = "";
  jest.spyOn(process.stderr, "write").mockImplementation((text) => {
    messages += text;
    return true;
  });
});
afterEach(() => {
  jest.restoreAllMocks();
  process.env = { ...before };
});
afterAll(() => rmSync(directory, { recursive: true }));

function program(bin: string, name: string, script = "exit 0") {
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
}

function installation(name: string, version: string, without?: string) {
  const bin = join(directory, name);
  for (const each of ["pulumi", "pulumi-language-nodejs", "pulumi-resource-pulumi-nodejs"])
    if (each !== without) program(bin, each, each === "pulumi" ? `echo ${version}` : undefined);
  return bin;
}

/** What our own code and the installer below need; neither pulumi nor go. */
function pathWithoutGo() {
  const path = mkdtempSync(join(directory, "path-"));
  for (const name of ["sh", "flock", "cat", "touch", "chmod"])
    symlinkSync(
      execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim(),
      join(path, name),
    );
  return path;
}

test.each([
  ["3.250.0", true],
  ["3.200.0", true],
  ["3.199.9", false],
  ["4.0.0", true],
  ["2.999.0", false],
  ["3.1000.0", true],
  ["3.201.0-alpha.1", true],
  ["", false],
  ["unknown", false],
])("version %j is new enough: %j", (version, expected) => {
  expect(isAtLeast(version, "3.200.0")).toBe(expected);
});

describe("an engine on PATH", () => {
  test("is used when it is new enough and complete", async () => {
    const bin = installation("good", "v3.260.1");
    expect(await onPath(`/nonesuch:${bin}`)).toEqual({ directory: bin, version: "3.260.1" });
    expect(messages).toBe("");
  });

  test("is left alone, and that is said, when it is too old", async () => {
    const bin = installation("old", "v3.99.0");
    expect(await onPath(bin)).toBeUndefined();
    expect(messages).toBe(
      `${bin}/pulumi is 3.99.0; using an engine of our own instead (3.200.0 or newer would do).\n`,
    );
  });

  test("is left alone, and that is said, when it lacks its language host", async () => {
    const bin = installation("partial", "v3.260.1", "pulumi-language-nodejs");
    expect(await onPath(bin)).toBeUndefined();
    expect(messages).toContain("is 3.260.1 without its Node.js language host; using an engine of our own");
  });

  test("need not be there", async () => {
    expect(await onPath("/nonesuch")).toBeUndefined();
    expect(messages).toBe("");
  });
});

describe("without one on PATH", () => {
  let home: string;
  let server: Server;
  let installer: string | undefined;
  let asked: string[];

  beforeEach(async () => {
    asked = [];
    server = createServer((request, response) => {
      asked.push(request.url!);
      response.statusCode = installer === undefined ? 404 : 200;
      response.end(installer);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    process.env.PATH = pathWithoutGo();
    home = mkdtempSync(join(directory, "home-"));
    jest.spyOn(os, "homedir").mockReturnValue(home);
    process.env.PROSODY_ENGINE_SITE = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  const version = pinnedVersion();
  const kept = () => join(home, `.cache/prosody-pulumi/engine/${version}/bin`);

  test("Pulumi's installer installs the pinned version, once", async () => {
    // What the installer documents: --install-root and --version, and programs in bin/.
    installer = `[ "$*" = "--no-edit-path --install-root $3 --version ${version}" ] || exit 9
for each in pulumi pulumi-language-nodejs pulumi-resource-pulumi-nodejs; do
  touch "$3/bin/$each"; chmod +x "$3/bin/$each"
done`;
    expect(await findEngine()).toEqual({ directory: kept(), version });
    expect(await findEngine()).toEqual({ directory: kept(), version });
    expect(asked).toEqual(["/install.sh"]);
  });

  const unbuildable =
    /^go is not installed on this machine\.\n.*Install Pulumi 3\.200\.0 or newer .* or Go 1\.25/s;

  test.each([
    [
      "can't be reached",
      () => undefined,
      /^Pulumi's installer at http:\S+ can't be reached\.\nBuilding Pulumi/,
    ],
    [
      "fails",
      () => "echo no space >&2; exit 3",
      /installer failed \(exit code 3\)\. no space\nBuilding Pulumi/,
    ],
    [
      "installs too little",
      () => 'touch "$3/bin/pulumi"',
      /installer failed \(exit code 0\)\..*\nBuilding Pulumi/,
    ],
  ])(
    "when the installer %s it is built; without Go the error says what to install",
    async (_what, script, said) => {
      installer = script();
      await expect(findEngine()).rejects.toThrow(unbuildable);
      expect(messages).toMatch(said);
    },
  );

  test("an empty site asks nobody", async () => {
    process.env.PROSODY_ENGINE_SITE = "";
    await expect(findEngine()).rejects.toThrow(unbuildable);
    expect(messages).toMatch(/^Building Pulumi/);
  });
});

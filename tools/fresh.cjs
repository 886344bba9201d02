/**
 * Keeps the compiled program in `bin/` current, so that neither the program nor the provider process ever
 * runs code older than its sources. Plain JavaScript, because it has to run before anything is compiled.
 */
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const root = path.resolve(__dirname, "..");
const bin = path.join(root, "bin");
const stampFile = path.join(bin, ".build.json");
const lock = path.join(bin, ".lock");
const sources = [
  "index.ts",
  "tsconfig.json",
  "package-lock.json",
  "config",
  "components",
  "providers",
  "templates",
  "lab",
  "tools",
  "verify",
  "bench",
];

/** Every source file with its size and modification time: cheap to take, and different after any edit. */
function stamp() {
  const seen = [];
  const visit = (relative) => {
    const stat = fs.statSync(path.join(root, relative), { throwIfNoEntry: false });
    if (stat?.isDirectory())
      for (const name of fs.readdirSync(path.join(root, relative)).sort()) visit(`${relative}/${name}`);
    else if (stat && /\.(ts|cjs|json)$/.test(relative)) seen.push(`${relative} ${stat.size} ${stat.mtimeMs}`);
  };
  sources.forEach(visit);
  return seen.join("\n");
}

function isCurrent() {
  return fs.existsSync(stampFile) && fs.readFileSync(stampFile, "utf8") === stamp();
}

/** Waits for a build that another process of the same run (program, provider) has begun. */
function takeLock() {
  fs.mkdirSync(bin, { recursive: true });
  for (let tries = 0; tries < 600; tries++) {
    try {
      fs.writeFileSync(lock, String(process.pid), { flag: "wx" });
      return;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      if (!holderLives()) fs.rmSync(lock, { force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
  throw new Error(`${lock} is still held after 60 s. If no build is running, delete it and try again.`);
}

function holderLives() {
  try {
    process.kill(Number(fs.readFileSync(lock, "utf8")), 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Removes compiled files whose source is gone, so that a deleted module can't be required any more. */
function removeOrphans(directory = bin) {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) removeOrphans(file);
    else if (
      entry.name.endsWith(".js") &&
      !fs.existsSync(path.join(root, path.relative(bin, file).replace(/\.js$/, ".ts")))
    ) {
      fs.rmSync(file);
    }
  }
}

/** The provider asks once per kind of resource; what changes while a process runs is for the next one. */
let isBuilt = false;

/** The sources that this process saw fail, and why: the provider is asked for each resource anew. */
let failure = { stamp: "", reason: "" };

/**
 * Compiles the TypeScript sources into `bin/` if they changed since the last time.
 * @throws Error with the compiler's messages when the sources don't compile.
 */
function build() {
  isBuilt ||= isCurrent();
  if (isBuilt) return;
  takeLock();
  try {
    const before = stamp();
    if (isCurrent()) return;
    if (before === failure.stamp) throw new Error(failure.reason);
    const compiler = path.join(root, "node_modules/typescript/bin/tsc");
    if (!fs.existsSync(compiler))
      throw new Error("The sources changed and no compiler is installed: run `npm ci`.");
    const { status, stdout } = spawnSync(process.execPath, [compiler, "-p", root], { encoding: "utf8" });
    if (status !== 0) {
      failure = {
        stamp: before,
        reason: `The sources changed and don't compile; nothing was run:\n${stdout}`,
      };
      throw new Error(failure.reason);
    }
    removeOrphans();
    fs.writeFileSync(stampFile, before);
    isBuilt = true;
  } finally {
    fs.rmSync(lock, { force: true });
  }
}

/**
 * Requires a compiled module by its path without extension, after bringing `bin/` up to date.
 * @param {string} module e.g. `index` or `providers/dispatch`
 */
function load(module) {
  build();
  return require(path.join(bin, module));
}

module.exports = { build, load };
if (require.main === module) build();

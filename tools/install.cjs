/**
 * Makes sure that the packages of package-lock.json are installed, so that any `npm run` works in a fresh clone.
 * Plain JavaScript without dependencies, because it has to run before anything is installed.
 */
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const root = path.resolve(__dirname, "..");
const modules = path.join(root, "node_modules");

/** Packages by directory, as a lock file lists them. */
function packagesOf(file) {
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")).packages : {};
}

/** Whether each package of the lock is installed with its version; those for other platforms may be absent. */
function isInstalled() {
  const installed = packagesOf(path.join(modules, ".package-lock.json"));
  return Object.entries(packagesOf(path.join(root, "package-lock.json"))).every(
    ([directory, { version, optional, devOptional }]) =>
      directory === "" ||
      installed[directory]?.version === version ||
      ((optional || devOptional) && !installed[directory]),
  );
}

/** @throws Error when npm fails; its own messages are on the terminal. */
function install() {
  const isLink = fs.lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink();
  if (isLink || isInstalled()) return; // a link is somebody's own arrangement, as in a git worktree
  process.stderr.write("Installing dependencies (npm ci)\n");
  const { status, error } = spawnSync("npm", ["ci", "--include=dev", "--no-audit", "--no-fund"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (status !== 0)
    throw new Error(`npm ci failed${error ? `: ${error.message}` : ""}. Its messages above say why.`);
}

module.exports = { install };
if (require.main === module) {
  try {
    install();
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

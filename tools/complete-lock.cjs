/**
 * `node tools/complete-lock.cjs`, after `npm install` has changed package-lock.json: adds the optional packages of
 * other platforms that npm left out. npm does so, silently, when its registry does not serve them (a mirror) or
 * node_modules was there before; `npm ci` then refuses the lock file everywhere.
 */
const fs = require("node:fs");
const path = require("node:path");

const file = path.resolve(__dirname, "..", "package-lock.json");
const lock = JSON.parse(fs.readFileSync(file, "utf8"));

/** The platform that a package such as `core-linux-arm-gnueabihf` is for, as its lock entry names it. */
function platformOf(name) {
  const words = name.split(/[/-]/);
  const os = words.find((word) =>
    ["android", "darwin", "freebsd", "linux", "openharmony", "win32"].includes(word),
  );
  const cpu = words.find((word) => /^(arm|arm64|ia32|loong64|ppc64|riscv64|s390x|x64)$/.test(word));
  if (!os || !cpu) throw new Error(`${name}: its name does not tell its platform; add it by hand.`);
  const libc = /musl/.test(words.at(-1)) ? "musl" : /gnu/.test(words.at(-1)) ? "glibc" : undefined;
  return { cpu: [cpu], ...(libc ? { libc: [libc] } : {}), os: [os] };
}

for (const [directory, { dev, optionalDependencies = {} }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const places = [`${directory}/node_modules/${name}`, `node_modules/${name}`];
    if (places.some((place) => lock.packages[place])) continue;
    if (!/^\d+\.\d+\.\d+$/.test(version))
      throw new Error(`${name}@${version} is no exact version; add it by hand.`);
    const { cpu, ...platform } = platformOf(name);
    lock.packages[places[1]] = { version, cpu, ...(dev ? { dev } : {}), optional: true, ...platform };
  }
}
const [[root, self], ...others] = Object.entries(lock.packages);
others.sort(([a], [b]) => a.localeCompare(b, "en"));
lock.packages = Object.fromEntries([[root, self], ...others]);
fs.writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`);

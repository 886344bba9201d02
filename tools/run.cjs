/**
 * `node tools/run.cjs NAME ARGUMENT...` runs tools/NAME.ts, compiled; in a fresh clone it installs and compiles
 * first. A tool exports `main(args)` that returns its exit code.
 */
const { load } = require("./fresh.cjs");
const { install } = require("./install.cjs");

async function run([name, ...args]) {
  install();
  const { main } = load(`tools/${name}`);
  return main(args);
}

// A reader who has seen enough, such as less or head, keeps a tool from nothing.
process.stdout.on("error", (error) => {
  if (error.code !== "EPIPE") throw error;
});

run(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    process.stderr.write(`${process.env.DEBUG ? error.stack : error.message}\n`);
    process.exitCode = 1;
  },
);

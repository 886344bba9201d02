/**
 * Pulumi's SDK loads the TypeScript compiler and npm's own tree of packages, which it needs for programs whose
 * functions it has to serialise. This one has none (see providers/resource.ts), and both together are more than half of
 * the time and two fifths of the memory that the load of the SDK takes. It also loads what drives the engine from a
 * program, and what sends traces where the engine is asked for them. zod loads its messages in 50 languages. So they are
 * put off until somebody uses them: their place among the loaded modules is taken by an object that loads the real one
 * when it is asked for anything.
 */
const Module = require("node:module");
const { Socket } = require("node:net");

const names = [
  "typescript",
  "@npmcli/arborist",
  "@pulumi/pulumi/automation",
  ...[
    "exporter-zipkin",
    "instrumentation",
    "instrumentation-grpc",
    "resources",
    "sdk-trace-base",
    "sdk-trace-node",
  ].map((name) => `@opentelemetry/${name}`),
  "zod/v4/locales",
];

/** @param {string} sdk a file of the SDK, from which the modules are resolved as it would do */
function putOff(sdk) {
  for (const name of names) putInPlace(sdk, name, standIn);
}

/** Has what `make` makes stand for a module that the SDK would load. */
function putInPlace(sdk, name, make) {
  let file;
  try {
    file = Module.createRequire(sdk).resolve(name);
  } catch {
    return; // what is not there can't be loaded early, either
  }
  require.cache[file] ??= make(file);
}

/** A module that is loaded already, and empty. */
const empty = (file) => Object.assign(new Module(file), { filename: file, loaded: true });

function standIn(file) {
  const module = empty(file);
  let real;
  const load = () => {
    if (!real) {
      delete require.cache[file];
      real = require(file);
    }
    return real;
  };
  module.exports = new Proxy(
    {},
    {
      // True, so that the helpers of compiled code take the object as it is and don't go through its properties.
      get: (_target, key) => (key === "__esModule" ? true : load()[key]),
      has: (_target, key) => key in load(),
    },
  );
  return module;
}

/**
 * The SDK has stack traces say where in TypeScript a place is, and takes the first of them before the program begins:
 * 0.05 s, for traces that nobody sees. start.cjs has its own say what is in a trace.
 */
const leaveOutSourceMaps = (sdk) => putInPlace(sdk, "source-map-support/register", empty);

/**
 * An engine that is killed before it asks the provider for anything, as by the end of what its output is piped into,
 * leaves a process that nobody would end: its standard input is all that it notices. From its first request on, which is
 * when it takes over the signals, providers/ssh/pool.ts sees to that.
 */
function endWithEngine() {
  const { stdin } = process;
  if (!(stdin instanceof Socket)) return;
  stdin.once("end", () => process.listenerCount("SIGINT") > 0 || process.exit());
  stdin.resume().unref();
}

module.exports = { putOff };

// By NODE_OPTIONS (see tools/engine.ts) every process of a run may load this; the provider and the program, before the SDK.
const [, script = ""] = process.argv;
const [kind] = /(?<=[/\\]cmd[/\\])(dynamic-provider|run)\b/.exec(script) ?? [];
if (kind) putOff(script);
if (kind === "run") leaveOutSourceMaps(script);
if (kind === "dynamic-provider") endWithEngine();

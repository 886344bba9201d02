// The program's entry point for Pulumi: index.ts, compiled. See tools/fresh.cjs.
// The SDK takes a stack trace for every property of every resource, of errors without a message, and sends one per
// resource to the engine, which keeps it in the state. Nobody reads them; together they are a fifth of the program's time.
Error.prepareStackTrace = (error, frames) =>
  error.message === "" ? String(error) : [error, ...frames].join("\n    at ");
// Each trace of an error is as long as the one place that says most. The SDK also tells the engine twice per resource
// what it is doing, one message after the other: a third of the program's time, for what only `pulumi up --debug` shows.
// Set DEBUG to have both.
if (!process.env.DEBUG) {
  Error.stackTraceLimit = 1;
  require("@pulumi/pulumi/log").debug = () => Promise.resolve();
}
require("./tools/later.cjs").putOff(require.resolve("@pulumi/pulumi"));
module.exports = require("./tools/fresh.cjs").load("index");

// The program's entry point for Pulumi: index.ts, compiled. See tools/fresh.cjs.
// The SDK takes a stack trace for every property of every resource, and its source map support would translate each.
Error.prepareStackTrace = undefined;
module.exports = require("./tools/fresh.cjs").load("index");

// The program's entry point for Pulumi: index.ts, compiled. See tools/fresh.cjs.
module.exports = require("./tools/fresh.cjs").load("index");

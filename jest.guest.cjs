const { projects } = require("./jest.config.cjs");
const integration = projects.find(({ displayName }) => displayName === "integration");

/** Tests on an emulated machine, too slow for each run: `npm run selinux-guest` (docs/testing.md). */
module.exports = { ...integration, displayName: "guest", testMatch: ["<rootDir>/tests/guest/**/*.test.ts"] };

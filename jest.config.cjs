const common = {
  rootDir: __dirname,
  testEnvironment: "node",
  transform: { "^.+\\.ts$": ["@swc/jest", { jsc: { target: "es2022", parser: { syntax: "typescript" } } }] },
  modulePathIgnorePatterns: ["<rootDir>/bin"],
};

/** Unit tests need nothing; integration tests need root, the lab and the engine (docs/testing.md). */
module.exports = {
  maxWorkers: 2, // integration tests wait for their hosts most of the time
  projects: [
    { ...common, displayName: "unit", testMatch: ["<rootDir>/tests/unit/**/*.test.ts"] },
    {
      ...common,
      displayName: "integration",
      testMatch: ["<rootDir>/tests/integration/**/*.test.ts"],
      globalSetup: "<rootDir>/tests/helpers/setup.ts",
    },
    {
      ...common,
      displayName: "sudo", // `npm run test:sudo` runs all integration tests this way
      testMatch: ["<rootDir>/tests/integration/server.test.ts"],
      globalSetup: "<rootDir>/tests/helpers/setup.ts",
      setupFiles: ["<rootDir>/tests/helpers/through-sudo.cjs"],
    },
  ],
};

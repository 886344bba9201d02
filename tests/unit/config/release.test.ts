import { releaseOf } from "../../../config/release";

test.each([
  ["13.0.1-1+deb131u", "13.0"],
  ["13.0", "13.0"],
  ["0.12.3-1+deb12u1", "0.12"],
])("version %s is release %s", (version, release) => expect(releaseOf(version)).toBe(release));

test.each(["0.11.9-2", "13.10.0", "0.120.1", ""])("version %j is refused", (version) =>
  expect(() => releaseOf(version)).toThrow(`Prosody ${version} is not supported: install 0.12 or 13.0.`),
);

test("a version that the engine has not met yet is told as that", () =>
  expect(() => releaseOf(undefined)).toThrow("run pulumi up without it first"));

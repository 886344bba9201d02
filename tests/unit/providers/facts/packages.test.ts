import { packages } from "../../../../providers/facts/packages";

test("only what is really installed counts", () => {
  const stdout = [
    "installed prosody 13.0.1-1+deb13u1",
    "config-files readline-common 8.2-6",
    "half-configured lua-sec 1.3.2-2",
    "not-installed lua-event ",
    "",
  ].join("\n");
  expect(packages("debian").parse(stdout)).toEqual({ prosody: "13.0.1-1+deb13u1" });
});

import type { Fact } from "../host";

/** The clock of the host, milliseconds: what is made there has its times from it. */
export const clock: Fact<number> = {
  name: "the clock",
  script: "date +%s",
  parse: (stdout) => Number(stdout) * 1000,
};

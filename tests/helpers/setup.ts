import { prepare } from "../../lab";
import { say } from "../../lab/command";
import { installMissing } from "../../lab/machine";
import { engine } from "../../tools/engine";

/**
 * Gets what integration tests need and what takes minutes on a new machine, so that no test's time limit has to
 * allow for it. What can't be had is said here, and each test that needs it fails with the same reason.
 */
export default async function setup(): Promise<void> {
  const lab = prepare({ prepared: true }).then(() => installMissing({ lua: "lua5.4" })); // for unit/templates/lua
  const outcomes = await Promise.allSettled([engine(), lab]);
  for (const outcome of outcomes) if (outcome.status === "rejected") say(outcome.reason.message);
}

import { during } from "../progress";
import { wait } from "../wait";

/** Milliseconds to wait for another package manager, such as the daily upgrade, and between two tries. */
const patience = 300_000;
const pause = 2000;

/**
 * Tries again while another package manager is at work.
 * @param busy what the result says is in the way, if anything
 * @returns the last result, which may still say so
 */
export async function patiently<T>(
  attempt: () => Promise<T>,
  busy: (result: T) => string | undefined,
): Promise<T> {
  const first = await attempt();
  const obstacle = busy(first);
  if (obstacle === undefined) return first;
  return during(`waiting for ${obstacle}`, async () => {
    for (const deadline = Date.now() + patience; ; ) {
      await wait(pause);
      const again = await attempt();
      if (busy(again) === undefined || Date.now() > deadline) return again;
    }
  });
}

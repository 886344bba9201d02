import { AsyncLocalStorage } from "node:async_hooks";

/** Milliseconds between two looks at one operation; a step that takes less is not worth a word. */
const every = 1000;

interface Step {
  doing: string;
  detail?: string;
  since: number;
}

/** The steps under way of the operation that the present code belongs to, the outer ones first. */
const operations = new AsyncLocalStorage<Step[]>();

/**
 * Runs a step of an operation whose progress is reported; elsewhere it just runs.
 * @param doing what takes its time, such as "installing prosody"; never with a secret in it
 * @param action gets a function that notes how far the step is, such as "412 of 1000"
 */
export async function during<T>(
  doing: string,
  action: (note: (detail: string) => void) => Promise<T>,
): Promise<T> {
  const steps = operations.getStore();
  if (!steps) return action(() => undefined);
  const step: Step = { doing, since: performance.now() };
  steps.push(step);
  try {
    return await action((detail) => {
      step.detail = detail;
    });
  } finally {
    steps.splice(steps.indexOf(step), 1);
  }
}

/**
 * Runs an operation and, while it lasts, says what takes so long: the innermost step that is no short one. At most
 * one text a second, and none twice in a row: for how long, the engine shows by itself.
 * @param show gets texts such as "installing prosody", or "changing 1000 accounts: 412 of 1000"
 */
export async function reporting<T>(show: (text: string) => void, operation: () => Promise<T>): Promise<T> {
  const steps: Step[] = [];
  let shown = "";
  const timer = setInterval(() => {
    const now = performance.now();
    const step = steps.findLast(({ since }) => now - since >= every);
    if (!step) return;
    const text = step.detail === undefined ? step.doing : `${step.doing}: ${step.detail}`;
    if (text !== shown) show(text);
    shown = text;
  }, every);
  try {
    return await operations.run(steps, operation);
  } finally {
    clearInterval(timer);
  }
}

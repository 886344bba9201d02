import { z } from "zod";
import { isMap } from "./parts";

/** Why a value of the stack config is refused: what is wrong, and what to write instead. Never a secret. */
export class Refused extends Error {}

/** Turns a function that throws {@link Refused} into a zod transformation that reports a problem. */
export function parsing<I, O>(parse: (input: I) => O): (input: I, ctx: z.RefinementCtx) => O {
  return (input, ctx) => {
    try {
      return parse(input);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      refuse(ctx, error.message);
      return z.NEVER;
    }
  };
}

/** The same as a check, for the keys of a map: they stay as they were written. */
export function accepting<I>(parse: (input: I) => unknown): (input: I, ctx: z.RefinementCtx) => void {
  return (input, ctx) => {
    parsing(parse)(input, ctx);
  };
}

/** The parsed value, or `undefined` when it is refused; that is reported where the value itself is checked. */
export function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}

/** Whether an entry of a map has a problem that is reported already, so that its value is not what it should be. */
export function isBroken(ctx: z.RefinementCtx, key: PropertyKey): boolean {
  return ctx.issues.some(({ path }) => path?.[0] === key);
}

/**
 * Reports a problem at a place below the value that is being checked.
 * @param elsewhere the place as users are to see it, where it is in no option but in a file
 */
export function refuse(
  ctx: z.RefinementCtx,
  message: string,
  path: PropertyKey[] = [],
  elsewhere?: string,
): void {
  ctx.addIssue({ code: "custom", message, path, params: { elsewhere } });
}

/**
 * For checks across several values: they run even when one of those values has problems of its own, so that one run
 * reports everything. Such a check sees values that may not be what their type says.
 */
export const always = { when: () => true };

/** The same for a check of a map, which runs when there is a map at all. */
export const whenMap = { when: ({ value }: { value: unknown }) => isMap(value) };

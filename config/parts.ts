import { z } from "zod";
import { Secret } from "./secret";

declare module "zod" {
  interface GlobalMeta {
    /** The value may be a secret: problems never show it. The nearest mark from the value upwards decides. */
    secret?: boolean;
    /** What may be written here, in words, where the schema's own structure is not readable. */
    form?: string;
    /** What applies without the option, in words, where it is no constant. */
    otherwise?: string;
    /** As in the stack's YAML. */
    example?: string;
  }
}

/** `pulumi config set` stores top-level values as text: "true" and "false" are booleans, too. */
export const flag = () => z.preprocess(booleanOf, z.boolean("give true or false"));

/** A whole number; text such as "28" counts. */
export const whole = (minimum: number, maximum: number, message: string) =>
  z.preprocess(numberOf, z.int(message).min(minimum, message).max(maximum, message)).meta({
    form: `whole number, ${minimum} to ${maximum}`,
  });

/** A text that nobody may see. */
export const secret = (message: string) =>
  z
    .string(message)
    .min(1, message)
    .transform((text) => new Secret(text))
    .meta({ secret: true, form: "secret" });

/** One or several: a single value stands for a list of one. */
export const list = <T extends z.ZodType>(item: T, message: string) =>
  z.preprocess(
    (value, ctx) => {
      if (typeof value !== "string" || value === "") return value;
      if (isEnumeration(value, item)) ctx.addIssue("several values make a list, as in [first, second]");
      return [value];
    },
    z.array(item, message),
  );

/** Several values in one text, "a@x, b@x". A comma may well be part of one value, so that those are tried first. */
function isEnumeration(text: string, item: z.ZodType): boolean {
  const isSound = (value: string) => item.safeParse(value).success;
  return text.includes(",") && !isSound(text) && text.split(",").some((part) => isSound(part.trim()));
}

/** `false` alone stands for `{ enabled: false }`, `true` for all defaults. */
export const switchable = <T extends z.ZodType>(object: T) =>
  z.preprocess((value) => {
    const enabled = booleanOf(value);
    return typeof enabled === "boolean" ? { enabled } : value;
  }, object);

export function booleanOf(value: unknown): unknown {
  return value === "true" ? true : value === "false" ? false : value;
}

export function numberOf(value: unknown): unknown {
  return typeof value === "string" && /^(0|[1-9]\d{0,15})$/.test(value) ? Number(value) : value;
}

/** True for what YAML calls a mapping. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

import { z } from "zod";
import { booleanOf } from "./parts";

const levels = ["debug", "info", "warn", "error"] as const;

const level = (description: string) =>
  z
    .preprocess(
      booleanOf,
      z.union([z.enum(levels), z.literal(false)], `give ${levels.join(", ")}, or false for no log`),
    )
    .prefault("info")
    .meta({ description, form: "`debug`, `info`, `warn`, `error` or `false`" });

export const logging = () =>
  z
    .strictObject(
      {
        file: level("Least level that goes to /var/log/prosody/prosody.log."),
        syslog: level("Least level that goes to syslog and the journal."),
      },
      "give a map with file and syslog",
    )
    .prefault({})
    .meta({
      description: "What Prosody logs, and where. `debug` is for hunting a fault: it is a lot.",
      form: "map",
      example: "logging: { file: false, syslog: warn }",
    });

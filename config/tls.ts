import { z } from "zod";

export const tls = () =>
  z
    .strictObject(
      {
        minimum: z
          .preprocess(
            (value) => (typeof value === "number" ? String(value) : value), // YAML reads 1.2 as a number
            z.enum(["1.2", "1.3"], "give 1.2 or 1.3; older versions are broken (RFC 8996)"),
          )
          .prefault("1.2")
          .meta({ description: "Lowest version that clients and other servers may use." }),
      },
      "give a map with minimum",
    )
    .prefault({})
    .meta({ description: "TLS of all encrypted ports.", form: "map", example: "tls: { minimum: 1.3 }" });

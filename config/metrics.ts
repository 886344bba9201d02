import { isIP, isIPv4 } from "node:net";
import { z } from "zod";
import { flag, isMap, list, switchable } from "./parts";
import { parsing, Refused, refuse } from "./refused";
import type { MetricsSettings } from "./settings";

const allowHelp =
  "give an IP address such as 192.0.2.7, or a list of them; one of them may be a network such as 10.0.0.0/8";

/**
 * Figures for Prometheus and the like (mod_http_openmetrics). Prosody takes any number of addresses, and one network.
 */
export const metrics = () =>
  switchable(
    z.strictObject(
      {
        enabled: flag().prefault(true).meta({ description: "Whether figures can be read." }),
        allow: list(z.string(allowHelp).transform(parsing(parseReader)), allowHelp)
          .refine(
            (readers) => readers.filter(isNetwork).length < 2,
            "Prosody takes one network; give addresses besides",
          )
          .prefault([])
          .meta({
            description:
              "IP addresses that may read them besides the host itself; one of them may be a network (CIDR).",
            form: "list of IP addresses",
            example: "allow: [192.0.2.7, 10.20.0.0/16]",
          }),
      },
      "give true, false, or a map with allow",
    ),
  )
    .transform(
      ({ enabled, allow }): MetricsSettings => ({
        enabled,
        addresses: allow.filter((reader) => !isNetwork(reader)),
        network: allow.find(isNetwork),
      }),
    )
    .prefault(false as never)
    .meta({
      description:
        "Figures about the server in the OpenMetrics format, for Prometheus and the like: `https://DOMAIN:5281/metrics`, by `ports.https`. The host itself may read them, and whom `allow` names; others are refused.",
      form: "`true`, `false`, or a map",
      example: "metrics: { allow: [192.0.2.7] }",
    });

const isNetwork = (reader: string) => reader.includes("/");

/** @throws Refused */
function parseReader(text: string): string {
  const [address = "", bits, ...more] = text.split("/");
  if (isIP(address) === 0 || more.length > 0) throw new Refused(allowHelp);
  if (bits === undefined) return address;
  const most = isIPv4(address) ? 32 : 128;
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > most)
    throw new Refused(`what follows the slash is the number of bits, 0 to ${most}`);
  return text;
}

/** Options of Prosody that `metrics` sets. */
const own = ["statistics", "statistics_interval", "openmetrics_allow_ips", "openmetrics_allow_cidr"];

type Given = Partial<Record<"metrics" | "ports" | "options", unknown>>;

/** Metrics against ports and options; any of them may have problems of its own. */
export function checkMetrics({ metrics, ports, options }: Given, ctx: z.RefinementCtx): void {
  if (!isMap(metrics) || metrics.enabled !== true) return;
  if (isMap(ports) && ports.https === false)
    refuse(
      ctx,
      "they are read over prosody:ports.https, which is false; give it a port, or leave metrics out",
      ["metrics"],
    );
  for (const name of own)
    if (isMap(options) && name in options)
      refuse(ctx, "prosody:metrics sets it; leave one of them out", ["options", name]);
}

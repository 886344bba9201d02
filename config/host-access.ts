import { z } from "zod";
import { booleanOf, flag, isMap } from "./parts";
import { refuse } from "./refused";

const modes = ["auto", "require", "off"] as const;

/** YAML has `off` as a name of `false`. */
const mode = () =>
  z.preprocess((value) => (booleanOf(value) === false ? "off" : value), z.enum(modes, modeHelp));

const modeHelp = "give auto, require or off";
const mapHelp = "give auto, require or off, or a map with mode, zone and https443";

/** The host's firewall. */
export const firewall = () =>
  z
    .preprocess(
      (value) => (isMap(value) || value === undefined ? value : { mode: value }),
      z.strictObject(
        {
          mode: mode().prefault("auto").meta({
            description:
              "`auto`: ports are opened where the host has firewalld. `require`: a host without it is an error. `off`: the firewall is left alone.",
            form: "`auto`, `require` or `off`",
          }),
          zone: z
            .string("give the name of a zone, such as public")
            .regex(/^[\w/-]{1,17}$/, "give the name of a zone, such as public")
            .optional()
            .meta({
              description: "firewalld's zone in which the ports are opened.",
              otherwise: "the zone of the interface by which SSH reaches the host",
              example: "zone: public",
            }),
          https443: flag().prefault(false).meta({
            description:
              "Forward port 443 to `ports.https`: many networks let only that one out, and Prosody can't open it itself.",
          }),
        },
        mapHelp,
      ),
    )
    .prefault({})
    .meta({
      description:
        "The host's firewall, if it is firewalld: public ports are opened, now and after a restart, and nothing else is changed. A host without firewalld gets no firewall.",
      form: "`auto`, `require` or `off`, or a map",
      example: "firewall: { mode: require, https443: true }",
    });

/** SELinux's labels of ports. */
export const selinux = () =>
  mode().prefault("auto").meta({
    description:
      "Labels that let Prosody bind its ports under SELinux. `auto`: where the host's kernel has SELinux on, enforcing or permissive. `require`: in the policy on the host's disk in any case, so that SELinux may be switched on later. `off`: left alone.",
    form: "`auto`, `require` or `off`",
    example: "selinux: require",
  });

type Given = { firewall?: unknown; ports?: unknown };

/** @param sshPort where the host's sshd listens */
export function checkFirewall({ firewall, ports }: Given, sshPort: number, ctx: z.RefinementCtx): void {
  if (!isMap(firewall) || firewall.https443 !== true) return;
  const problem = (message: string) => refuse(ctx, message, ["firewall", "https443"]);
  if (firewall.mode === "off")
    problem("prosody:firewall.mode is off, so that nothing is forwarded; decide for one");
  if (isMap(ports) && ports.https === false)
    problem("prosody:ports.https is off; set a port, or this to false");
  if (sshPort === 443) problem("443 is SSH's port (prosody:host.port)");
}

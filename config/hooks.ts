import { z } from "zod";
import type { Environment } from "./environment";
import { knownHostKey } from "./host-keys";
import { isMap, list } from "./parts";
import { refuse, whenMap } from "./refused";
import { Secret } from "./secret";
import type { Hook, HostSettings } from "./settings";

const command = (help: string) => z.string(help).regex(/\S/, help);
const scalar = (help: string) => z.union([z.string(), z.number(), z.boolean()], help).transform(String);

const hook = () =>
  z.strictObject(
    {
      name: z
        .string("give the hook a name, such as announce")
        .regex(
          /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
          "a hook's name has up to 63 lower-case letters, digits, and hyphens inside, as in announce",
        )
        .meta({
          description: "Its name, which no other hook of the server has: resource names know it by that.",
        }),
      where: z
        .enum(["local", "remote"], "give local (the machine that runs Pulumi) or remote (the server's host)")
        .prefault("local")
        .meta({
          description:
            "`local`: on the machine that runs Pulumi, in the directory of Pulumi.yaml. `remote`: on the server's host, over SSH, as the user of `host`, without sudo.",
        }),
      create: command("give the command to run at first").meta({
        description: "Shell command that runs at first, and again when a trigger changes.",
        form: "shell command",
      }),
      update: command("give the command to run when the hook changes").optional().meta({
        description: "What runs instead of `create` when a command or the environment of the hook changes.",
        form: "shell command",
        otherwise: "`create`",
      }),
      delete: command("give the command to run at the end").optional().meta({
        description:
          "What runs when the hook is taken out, when a trigger changes (before `create`), and at a destroy.",
        form: "shell command",
        otherwise: "nothing",
      }),
      triggers: list(scalar("give a text or a number"), "give a text, or a list of them").prefault([]).meta({
        description: "Any texts; when one changes, the hook runs anew.",
        form: "text, or a list of them",
        example: "triggers: [v2]",
      }),
      environment: z
        .record(
          z
            .string()
            .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "a variable's name has letters, digits and underscores"),
          scalar("give a text or a number"),
          "give a map from variable to value",
        )
        .prefault({})
        .meta({
          description: "Environment variables of the commands. A password belongs here, not into a command.",
          secret: true,
          form: "map from variable to text",
        }),
    },
    "give a map with name and create",
  );

const hooksHelp = "give a list of hooks, each with name and create";

/** Commands of the user's own. @param encrypted whether something in them is stored as a secret */
export const hooks = (encrypted: boolean) =>
  z
    .strictObject(
      {
        before: z.array(hook(), hooksHelp).prefault([]).meta({
          description: "Run one after the other before anything is done to the server.",
          form: "list of hooks",
        }),
        after: z.array(hook(), hooksHelp).prefault([]).meta({
          description: "Run one after the other when everything of the server is done.",
          form: "list of hooks, as in `before`",
        }),
      },
      "give a map with before and after",
    )
    .superRefine((given, ctx) => {
      const seen = new Set<string>();
      for (const when of ["before", "after"] as const)
        (Array.isArray(given[when]) ? given[when] : []).forEach((each, index) => {
          if (typeof each?.name !== "string") return;
          if (seen.has(each.name))
            refuse(ctx, "another hook has this name, too; choose one of its own", [when, index, "name"]);
          seen.add(each.name);
        });
    }, whenMap)
    .transform(({ before, after }) => ({
      before: before.map((each) => settle(each, encrypted)),
      after: after.map((each) => settle(each, encrypted)),
    }))
    .prefault({})
    .meta({
      description:
        "Commands of your own before and after the deployment of the server, by the provider [Command](https://www.pulumi.com/registry/packages/command/), which Pulumi downloads when there is a hook. An unchanged hook does not run again. If something in `hooks` is stored as a secret, every command and every value of a variable is treated as one.",
      form: "map with `before` and `after`",
      example: `hooks:
  before:
    - { name: snapshot, create: ./snapshot.sh xmpp.example.com, triggers: [v2] }
  after:
    - { name: announce, where: remote, create: logger deployed, delete: logger removed }`,
    });

function settle(given: z.output<ReturnType<typeof hook>>, encrypted: boolean): Hook {
  const hide = (text: string) => (encrypted ? new Secret(text) : text);
  const { name, where, create, update, triggers, environment } = given;
  return {
    name,
    where,
    create: hide(create),
    update: update === undefined ? undefined : hide(update),
    delete: given.delete === undefined ? undefined : hide(given.delete),
    triggers,
    environment: Object.fromEntries(Object.entries(environment).map(([key, text]) => [key, hide(text)])),
  };
}

/** The provider of remote hooks verifies a host only by a key that it is given. */
export function checkHooks(
  { hooks, host }: { hooks?: unknown; host?: unknown },
  ctx: z.RefinementCtx,
  { files }: Pick<Environment, "files">,
): void {
  if (!isMap(hooks) || !isMap(host) || !("trust" in host)) return;
  const settings = host as unknown as HostSettings;
  const unknown = [settings, settings.jump].find((each) => each && !knownHostKey(each, files));
  if (!unknown) return;
  const which = unknown === settings ? "host" : "host.jump";
  for (const when of ["before", "after"] as const) {
    const given = hooks[when];
    if (!Array.isArray(given)) continue;
    given.forEach((each: Partial<Hook>, index) => {
      if (each.where === "remote")
        refuse(
          ctx,
          `the host's key must be known beforehand; give it as prosody:${which}.hostKey, or run the hook locally`,
          ["hooks", when, index, "where"],
        );
    });
  }
}

import { X509Certificate } from "node:crypto";
import { z } from "zod";
import { type Environment, readText } from "./environment";
import { parseAddress } from "./host-address";
import { flag, isMap, secret, switchable, whole } from "./parts";
import { parsing, Refused, refuse, whenMap } from "./refused";
import type { Storage } from "./settings";

const help = "give internal, sqlite, or a map with postgresql";

const name = (what: string, standard: string, description: string) =>
  z
    .string(`give the name of the ${what}`)
    .regex(
      /^[a-z_][a-z0-9_]{0,62}$/,
      `a ${what} is named by lower-case letters, digits and underscores, at most 63`,
    )
    .prefault(standard)
    .meta({ description, form: "name" });

/** Where Prosody keeps its data. */
export const storage = ({ files }: Environment) =>
  z
    .preprocess(
      (value) => (value === "internal" ? {} : value === "sqlite" ? { sqlite: true } : value),
      z
        .strictObject(
          {
            sqlite: z.literal(true, "give true").optional().meta({
              description: "An SQLite database beside the files. The word alone does the same.",
              form: "`true`",
            }),
            postgresql: postgresql({ files }).optional(),
          },
          help,
        )
        .superRefine(({ sqlite, postgresql }, ctx) => {
          if (sqlite && postgresql) refuse(ctx, "choose one of sqlite and postgresql");
        }, whenMap),
    )
    .prefault("internal")
    .transform(({ sqlite, postgresql }): Storage => postgresql ?? { kind: sqlite ? "sqlite" : "internal" })
    .meta({
      description:
        "Where accounts, messages and rooms are kept: in files (`internal`), in an SQLite database, or in a PostgreSQL one. A change moves all data, with Prosody stopped meanwhile, and keeps the old ones in an archive. Uploaded files are files in any case.",
      form: "`internal`, `sqlite`, or a map with `postgresql`",
      example:
        "storage:\n  postgresql: { host: db.example.com, database: prosody, user: prosody, password: { secure: v1:… } }",
      otherwise: "`internal`",
    });

const postgresql = ({ files }: Pick<Environment, "files">) =>
  z
    .strictObject(
      {
        host: z.string("give the database server's name").transform(parsing(parseAddress)).optional(),
        port: whole(1, 65_535, "give a port, 1 to 65535").prefault(5432),
        database: name("database", "prosody", "The database."),
        user: name("role", "prosody", "The role that owns it."),
        password: secret("give the role's password, as a secret"),
        tls: switchable(
          z.strictObject(
            {
              enabled: flag().prefault(true),
              authorityFile: z
                .string("give a file")
                .transform(parsing((file) => authority(readText(files, file))))
                .optional(),
            },
            "give a map with authorityFile, or false",
          ),
        ).optional(),
      },
      "give a map with host, database, user and password",
    )
    .superRefine(({ host, tls }, ctx) => {
      if (host === undefined && isMap(tls) && tls.enabled)
        refuse(
          ctx,
          "without host, the database is on the server itself, over the loopback interface; leave it out",
          ["tls"],
        );
    }, whenMap)
    .transform(({ tls, ...rest }) => ({
      kind: "postgresql" as const,
      ...rest,
      tls:
        tls?.enabled === false || rest.host === undefined
          ? (false as const)
          : { ...(tls?.authorityFile && { authority: tls.authorityFile }) },
    }))
    .meta({
      description:
        "`password` (secret) of the role `user`, which owns `database` (both `prosody` by default). With `host` (and `port`), a database server elsewhere, whose certificate must be for that name and by a public authority, or by the one in `tls.authorityFile`; `tls: false` is for a network that nobody else is on. Without `host`, PostgreSQL is installed on the server's own host, with role and database.",
      form: "map",
    });

/** @throws Refused when the text is no certificate */
function authority(pem: string): string {
  try {
    new X509Certificate(pem);
    return `${pem.trim()}\n`;
  } catch {
    throw new Refused("the file holds no certificate in PEM");
  }
}

import type { DatabaseInputs, DatabaseState } from "../database";
import { databases, psql } from "../facts/databases";
import type { Handler } from "../handler";
import type { Host } from "../host";
import { matches, verifier } from "../scram";

/**
 * Fedora's package leaves it to the administrator to make the first cluster, and to start the server (Debian's does
 * both). Prosody logs in with a password over the loopback interface; postgresql-setup's own default is ident.
 */
const makeCluster = `if command -v postgresql-setup >/dev/null && [ ! -e /var/lib/pgsql/data/PG_VERSION ]; then
  PGSETUP_INITDB_OPTIONS=--auth-host=scram-sha-256 postgresql-setup --initdb >&2
  systemctl enable --now postgresql >&2
fi`;

/** Databases of the PostgreSQL server on the same host. */
export const databaseHandler: Handler<DatabaseInputs, DatabaseState> = {
  inputs: ["database", "user"],
  replaceOn: ["server", "database"],

  id: ({ database }) => database,

  // They stand in statements as they are.
  check: ({ database, user }) =>
    Object.entries({ database, user })
      .filter(([, name]) => !/^[a-z_][a-z0-9_]{0,62}$/.test(name))
      .map(([property, name]) => ({ property, reason: `${JSON.stringify(name)} is no plain name.` })),

  async diff(state, inputs) {
    const changed = (["server", "database", "user"] as const).filter((name) => state[name] !== inputs[name]);
    return (await isRight(state.verifier, inputs)) ? changed : [...changed, "password"];
  },

  create: bring,

  async read(host, state) {
    const found = await host.fact(databases);
    const owner = found?.owners.get(state.database);
    if (!found || owner === undefined) return undefined;
    const { verifier: _, ...rest } = state;
    const known = found.roles.get(owner);
    return { ...rest, user: owner, ...(known && { verifier: known }) };
  },

  update: (host, _state, inputs) => bring(host, inputs),

  async delete() {},
};

async function isRight(known: DatabaseState["verifier"], { password }: DatabaseInputs): Promise<boolean> {
  return known !== undefined && matches(password, known);
}

async function bring(host: Host, inputs: DatabaseInputs): Promise<DatabaseState> {
  const { server, database, user, password } = inputs;
  let found = await host.fact(databases);
  if (!found) {
    await host.run(makeCluster, { doing: "making PostgreSQL's cluster", changes: true });
    found = await host.fact(databases);
  }
  if (!found)
    throw new Error("PostgreSQL does not answer on the host. See `systemctl status postgresql` there.");
  const before = found.roles.get(user);
  const isKept = await isRight(before, inputs);
  const now = isKept ? before! : await verifier(password, "sha256", 4096);
  const owner = found.owners.get(database);
  const statements = [
    found.roles.has(user) ? undefined : `CREATE ROLE "${user}" LOGIN;`,
    isKept ? undefined : `ALTER ROLE "${user}" PASSWORD '${now}';`,
    owner === undefined
      ? `CREATE DATABASE "${database}" OWNER "${user}" ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0;`
      : undefined,
    owner !== undefined && owner !== user ? `ALTER DATABASE "${database}" OWNER TO "${user}";` : undefined,
  ].filter((statement) => statement !== undefined);
  if (statements.length > 0)
    await host.run(psql, {
      doing: `making the database ${database}`,
      input: statements.join("\n"),
      changes: true,
    });
  return { server, database, user, verifier: now };
}

import type { Fact } from "../host";
import type { Verifier } from "../scram";

/** What a PostgreSQL server on the host has. */
export interface Databases {
  /** Database → its owner. */
  owners: Map<string, string>;
  /** Role that may log in → its verifier, where that is one. */
  roles: Map<string, Verifier | undefined>;
}

/** Statements for psql come over standard input; it runs as the server's own administrator. */
export const psql = "cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d postgres";

/** `undefined` where no PostgreSQL answers. */
export const databases: Fact<Databases | undefined> = {
  name: "PostgreSQL's databases",
  script: `command -v psql >/dev/null && id postgres >/dev/null 2>&1 || exit 0
${psql} 2>/dev/null && echo complete || true`,
  input: `SELECT 'database', datname, pg_get_userbyid(datdba) FROM pg_database;
SELECT 'role', rolname, rolpassword FROM pg_authid WHERE rolcanlogin;`,
  parse(stdout) {
    const lines = stdout.split("\n").map((line) => line.split("|"));
    if (!stdout.includes("complete")) return undefined;
    const of = (kind: string) => lines.filter(([first]) => first === kind);
    return {
      owners: new Map(of("database").map(([, name, owner]) => [name!, owner!])),
      roles: new Map(
        of("role").map(([, name, password]) => [
          name!,
          password?.startsWith("SCRAM-") ? password : undefined,
        ]),
      ),
    };
  },
};

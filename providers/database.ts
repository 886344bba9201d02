import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";
import type { Verifier } from "./scram";

/** A database of the PostgreSQL server on the same host, and the role that owns it. */
export interface DatabaseInputs extends Common {
  database: string;
  /** A role that logs in; made or adopted, never removed. */
  user: string;
  /** Secret; PostgreSQL gets its verifier only. */
  password: string;
}

export interface DatabaseState extends Common {
  database: string;
  user: string;
  /** The SCRAM-SHA-256 verifier of the role (RFC 7677); secret. `undefined` where it has none of this program. */
  verifier?: Verifier;
}

/** See {@link DatabaseInputs}. A deletion leaves database and role where they are: the data are the users'. */
export class Database extends ProsodyResource<DatabaseInputs> {
  constructor(name: string, inputs: InputsOf<DatabaseInputs>, options?: pulumi.CustomResourceOptions) {
    super("Database", name, inputs, [], ["password", "verifier"], options);
  }
}

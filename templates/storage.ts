import type { Release } from "../config/release";
import type { LuaValue, Storage } from "../config/settings";

/** Where the certificate of the database server's authority is put, if the stack config names one. */
export const databaseAuthority = "/etc/prosody/postgresql-ca.crt";

/** Where public authorities are: libpq knows "system" since 16, which Debian 12 does not have. */
const publicAuthorities: Record<Release, string> = {
  "0.12": "/etc/ssl/certs/ca-certificates.crt",
  "13.0": "system",
};

/**
 * Prosody's options for its storage (https://prosody.im/doc/modules/mod_storage_sql), none for files.
 * @returns also the certificate of the authority that the database server is verified with, if it is not public
 */
export function storageOptions(
  storage: Storage,
  release: Release,
): { options: Record<string, LuaValue>; authority?: string } {
  if (storage.kind === "internal") return { options: {} };
  if (storage.kind === "sqlite")
    return { options: { storage: "sql", sql: { driver: "SQLite3", database: "prosody.sqlite" } } };
  const { host, port, database, user, password, tls } = storage;
  const authority = tls ? tls.authority : undefined;
  const trusted = authority ? databaseAuthority : publicAuthorities[release];
  return {
    options: {
      storage: "sql",
      sql: {
        driver: "PostgreSQL",
        database: host === undefined ? database : conninfo(database, tls !== false && trusted),
        host: host ?? "127.0.0.1",
        port,
        username: user,
        password,
      },
    },
    authority,
  };
}

/** A database's name that has a "=" is a connection string for libpq (PQconnectdbParams, `expand_dbname`). */
function conninfo(database: string, authority: string | false): string {
  return authority
    ? `dbname=${database} sslmode=verify-full sslrootcert=${authority}`
    : `dbname=${database} sslmode=disable`;
}

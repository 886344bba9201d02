import { Secret } from "../../../config/secret";
import type { Storage } from "../../../config/settings";
import { renderConfiguration } from "../../../templates/render";
import { server } from "../../fixtures/server";

const remote: Storage = {
  kind: "postgresql",
  host: "db.example.com",
  port: 5433,
  database: "chat",
  user: "prosody",
  password: new Secret("pa55"),
  tls: {},
};

const turn = { ...server().turn, enabled: false }; // has a secret of its own

const rendered = (storage: Storage, release: "0.12" | "13.0" = "13.0") => {
  const { files, secrets } = renderConfiguration(server({ storage, turn }), release);
  const main = files["/etc/prosody/prosody.cfg.lua"]!.content;
  return { files, main, secrets: Object.values(secrets).map(({ content }) => content) };
};

test("files need no line, a database in files two", () => {
  expect(rendered({ kind: "internal" }).main).not.toMatch(/^(storage|sql)/m);
  const { main, secrets } = rendered({ kind: "sqlite" });
  expect(main).toContain('storage = "sql"\nsql = { driver = "SQLite3", database = "prosody.sqlite" }\n');
  expect(secrets).toEqual([]);
});

test("the password is in the file for secrets alone", () => {
  const { main, secrets } = rendered({ ...remote, host: undefined, tls: false });
  expect(main).toContain('storage = "sql"\n');
  expect(main).not.toContain("pa55");
  expect(secrets[0]).toContain('database = "chat",\n\thost = "127.0.0.1",\n\tport = 5433,');
  expect(secrets[0]).toContain('password = "pa55"');
});

test.each([
  ["13.0" as const, "sslrootcert=system"],
  ["0.12" as const, "sslrootcert=/etc/ssl/certs/ca-certificates.crt"],
])("another host is verified, on %s too", (release, authority) => {
  expect(rendered(remote, release).secrets[0]).toContain(
    `database = "dbname=chat sslmode=verify-full ${authority}"`,
  );
});

test("an authority of one's own comes along", () => {
  const { files, secrets } = rendered({ ...remote, tls: { authority: "PEM\n" } });
  expect(files["/etc/prosody/postgresql-ca.crt"]).toMatchObject({ content: "PEM\n", mode: "0640" });
  expect(secrets[0]).toContain("sslmode=verify-full sslrootcert=/etc/prosody/postgresql-ca.crt");
});

test("no TLS only where the stack config says so", () => {
  expect(rendered({ ...remote, tls: false }).secrets[0]).toContain("dbname=chat sslmode=disable");
});

import { databases, psql } from "../../../providers/facts/databases";
import { databaseHandler } from "../../../providers/handlers/database";
import { verifier } from "../../../providers/scram";
import { FakeHost } from "../../helpers/fake-host";

const inputs = { server: "prosody", database: "prosody", user: "prosody", password: "it's secret" };

const setup = "/postgresql-setup --initdb/";

function host(said: string): FakeHost {
  return new FakeHost({ answers: { [databases.script]: said, [psql]: "", [setup]: "" } });
}

const statements = (fake: FakeHost) =>
  fake.ran.filter(({ script }) => script === psql).map(({ input }) => input.replace(/SCRAM[^']*/, "SCRAM…"));

test("role and database are made, and only a verifier of the password is told", async () => {
  const fake = host("database|postgres|postgres\nrole|postgres|\ncomplete\n");
  const state = await databaseHandler.create(fake, inputs);
  expect(statements(fake)).toEqual([
    'CREATE ROLE "prosody" LOGIN;\n' +
      "ALTER ROLE \"prosody\" PASSWORD 'SCRAM…';\n" +
      "CREATE DATABASE \"prosody\" OWNER \"prosody\" ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0;",
  ]);
  expect(JSON.stringify(fake.ran)).not.toContain("it's secret");
  expect(await databaseHandler.diff!(state, inputs)).toEqual([]);
  expect(await databaseHandler.diff!(state, { ...inputs, password: "other" })).toEqual(["password"]);
});

test("what fits is adopted, and read back as it is", async () => {
  const known = await verifier(inputs.password, "sha256", 4096);
  const fake = host(`database|prosody|prosody\nrole|prosody|${known}\ncomplete\n`);
  const state = await databaseHandler.create(fake, inputs);
  expect(statements(fake)).toEqual([]);
  expect(await databaseHandler.read(fake, state)).toEqual(state);
});

test("another owner and another password are drift, and repaired", async () => {
  const other = await verifier("other", "sha256", 4096);
  const fake = host(`database|prosody|postgres\nrole|postgres|\nrole|prosody|${other}\ncomplete\n`);
  const read = (await databaseHandler.read(fake, { ...inputs, verifier: other }))!;
  expect(await databaseHandler.diff!(read, inputs)).toEqual(["user", "password"]);
  await databaseHandler.update(fake, read, inputs);
  expect(statements(fake)).toEqual([
    'ALTER ROLE "prosody" PASSWORD \'SCRAM…\';\nALTER DATABASE "prosody" OWNER TO "prosody";',
  ]);
});

test("a database that is gone reads as gone; a server that is gone says so", async () => {
  const state = { server: "prosody", database: "prosody", user: "prosody" };
  expect(await databaseHandler.read(host("role|postgres|\ncomplete\n"), state)).toBeUndefined();
  expect(await databaseHandler.read(host(""), state)).toBeUndefined();
  await expect(databaseHandler.create(host(""), inputs)).rejects.toThrow("PostgreSQL does not answer");
});

test("where a package leaves the making of the cluster to the administrator, it is made", async () => {
  const fake = host("");
  fake.answers.set(setup, () => {
    fake.answers.set(databases.script, "database|postgres|postgres\nrole|postgres|\ncomplete\n");
    return "";
  });
  expect(await databaseHandler.create(fake, inputs)).toMatchObject({ database: "prosody" });
  expect(statements(fake)).toHaveLength(1);
});

test("a deletion leaves the data", async () => {
  const fake = host("");
  await databaseHandler.delete(fake, { server: "prosody", database: "prosody", user: "prosody" });
  expect(fake.ran).toEqual([]);
});

test("names that could end a statement are refused", () => {
  expect(databaseHandler.check!({ ...inputs, database: 'x"; DROP' })).toEqual([
    { property: "database", reason: '"x\\"; DROP" is no plain name.' },
  ]);
});

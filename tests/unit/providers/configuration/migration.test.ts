import { moveIfOther } from "../../../../providers/configuration/migration";
import type { Model } from "../../../../providers/configuration/model";
import { FakeHost } from "../../../helpers/fake-host";

const model = (options: Record<string, string>, data = "/var/lib/prosody") =>
  ({ options: { "*": options }, data }) as unknown as Model;
const found = (before: Model) => ({
  files: {},
  cutOff: undefined,
  isCopyLeft: false,
  known: false,
  service: "active",
  model: before,
});
const move = "/\nsystemctl stop prosody\n/";

test.each([
  ["names its built-in directory", model({ data_path: "digest" }), model({})],
  [
    "has the same database",
    model({ storage: "sql", sql: "digest" }),
    model({ storage: "sql", sql: "digest" }),
  ],
])("a configuration that %s moves nothing, and the host is not asked", async (_, before, staged) => {
  const host = new FakeHost({});
  expect(await moveIfOther(host, found(before), staged)).toBe(false);
  expect(host.ran).toEqual([]);
});

test.each([
  ["another directory", model({}), model({}, "/srv/prosody")],
  ["another storage", model({}), model({ storage: "sql" })],
  ["another database", model({ storage: "sql", sql: "one" }), model({ storage: "sql", sql: "two" })],
])("%s is for the host to look at", async (_, before, staged) => {
  const host = new FakeHost({ answers: { [move]: "" } });
  expect(await moveIfOther(host, found(before), staged)).toBe(true);
  expect(host.ran).toHaveLength(1);
});

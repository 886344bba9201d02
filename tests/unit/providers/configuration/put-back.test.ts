import { putBack } from "../../../../providers/configuration/put-back";
import * as scripts from "../../../../providers/configuration/scripts";
import { type Answer, FakeHost } from "../../../helpers/fake-host";

const model = (storage: string) =>
  `@model ${JSON.stringify({ options: { "*": { default_storage: storage } } })}\n`;
const moving = "/\nsystemctl stop prosody\n/";

/** A host whose Prosody has its data in SQLite, and had them in files before the stack. */
function hostWith(answers: Record<string, Answer>): FakeHost {
  return new FakeHost({
    answers: {
      [scripts.read]: `known\nservice active\n${model("sql")}`,
      [scripts.archive]: "/var/backups/prosody-pulumi/configuration.tar.gz\n",
      [scripts.stage + scripts.inspect]: model("internal"),
      [scripts.discard]: "",
      [scripts.startNow]: "",
      [moving]: "",
      ...answers,
    },
  });
}

const paths = ["/etc/prosody/prosody.cfg.lua"];

test("a server that was stopped to move its data runs again where the files can't be put back", async () => {
  const host = hostWith({ [scripts.swap]: new Error("no space left") });
  await expect(putBack(host, paths)).rejects.toThrow("no space left");
  expect(host.changes.at(-1)).toBe(scripts.startNow);
});

test("why the data can't move is told, also where the connection has ended", async () => {
  const gone = new Error("the connection was lost");
  const host = hostWith({
    [moving]: new Error("the disk is full"),
    [scripts.discard]: gone,
  });
  await expect(putBack(host, paths)).rejects.toThrow("the disk is full");
});

test("a destroy that ended after the files were back is finished by the next", async () => {
  const host = hostWith({
    [scripts.read]: `cut off active\nservice active\n${model("internal")}`,
    [scripts.archive]: "",
    "/archive=.*storage-/": "",
    [scripts.forget]: "",
  });
  await putBack(host, paths);
  expect(host.ran.map(({ doing }) => doing).slice(-2)).toEqual([
    "archiving the old storage",
    "ending the change of Prosody's configuration",
  ]);
});

test("where there is nothing to put back, nothing is done", async () => {
  const host = hostWith({
    [scripts.read]: `service active\n${model("internal")}`,
    [scripts.archive]: "",
  });
  await putBack(host, paths);
  expect(host.changes).toEqual([]);
});

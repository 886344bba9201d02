import { spawnSync } from "node:child_process";
import { batchInput, batchResults, batchScript, parts, type Reading } from "../../../../providers/ssh/batch";

const reading = (script: string, input?: string): Reading => ({
  script,
  options: { doing: "reading", input },
});
const mark = "mark-of-this-run";

function run(...readings: Reading[]) {
  const script = batchScript(readings, mark).replace("/run/prosody-pulumi.", "/tmp/prosody-batch."); // anybody's
  const { stdout, stderr, status } = spawnSync("sh", ["-c", script], {
    input: batchInput(readings),
    encoding: "utf8",
  });
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return batchResults(stdout, mark);
}

test("each has its own output, errors, exit code and input", () => {
  expect(
    run(
      reading("cat; echo 'it''s' \"$#\"; exit 3", "first\nline\n"),
      reading("echo wrong >&2; false"),
      reading("cat", "no line break"),
      reading("kill -9 $(sh -c 'echo $PPID')"),
      reading("echo ("),
      reading("printf ''"),
    ),
  ).toEqual([
    { code: 3, stdout: "first\nline\nits 0\n", stderr: "" },
    { code: 1, stdout: "", stderr: "wrong\n" },
    { code: 0, stdout: "no line break", stderr: "" },
    { code: 137, stdout: "", stderr: "" },
    { code: 2, stdout: "", stderr: expect.stringMatching(/syntax error/i) },
    { code: 0, stdout: "", stderr: "" },
  ]);
});

test("they run at the same time, and what one does to its shell is no other's affair", () => {
  const before = Date.now();
  const all = run(
    ...Array.from({ length: 5 }, (_, index) => reading(`sleep 0.5; echo ${index} "$x"; x=1; cd /`)),
  );
  expect(all.map(({ stdout }) => stdout)).toEqual(["0 \n", "1 \n", "2 \n", "3 \n", "4 \n"]);
  expect(Date.now() - before).toBeLessThan(2400);
});

test("where there is no room left for what they print, none is taken for whole", () => {
  const script = batchScript([reading("echo 0"), reading("echo 1")], mark)
    .replace("/run/", "/tmp/")
    .replace('"$kept/room"', "/dev/full");
  const { stdout, status } = spawnSync("sh", ["-c", script], { encoding: "utf8" });
  expect(status).not.toBe(0);
  expect(batchResults(stdout, mark)).toEqual([]);
});

test("many are several commands, in their order", () => {
  const long = reading("#".repeat(15_000));
  expect(parts([long, long, long, reading("last")]).map((part) => part.length)).toEqual([2, 2]);
});

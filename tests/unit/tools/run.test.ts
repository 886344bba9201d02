import { spawn } from "node:child_process";
import path from "node:path";
import { text } from "node:stream/consumers";
import { root } from "../../../config/root";

test("a reader who has seen enough, as less or head, is no failure", async () => {
  const child = spawn(process.execPath, [path.join(root, "tools/run.cjs"), "verify", "--help"]);
  child.stdout.destroy();
  const ended = new Promise((resolve) => child.on("close", resolve));
  expect(await text(child.stderr)).toBe("");
  expect(await ended).toBe(0);
}, 60_000);

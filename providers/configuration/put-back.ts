import { archiveDirectory } from "../archive";
import type { Host } from "../host";
import { find, isRunning, lines, marked, relative } from "./found";
import { moveIfOther } from "./migration";
import { knowing, type Model } from "./model";
import * as scripts from "./scripts";
import { converge, startAgain } from "./server";
import { endMove, stageFiles } from "./transaction";

/**
 * Puts back what was at these paths before this program, and keeps an archive of what it takes away. Without
 * checks: the original is not ours to judge. The data move to the storage of a server that was there before.
 * @throws Error when they can't, or when the server was running and does not run with the original
 */
export async function putBack(host: Host, paths: string[]): Promise<void> {
  const names = paths.map(relative);
  const left = await find(host, []);
  const { code, stdout } = await host.run(scripts.archive, {
    doing: "archiving Prosody's configuration",
    input: lines(...names),
    accept: [0, scripts.noDirectory],
  });
  if (code !== 0) return;
  if (!stdout.trim()) {
    // A destroy before this one may have ended after the files were back.
    if (left?.cutOff !== undefined) await endMove(host);
    return;
  }
  const dropped = names.map((name) => `drop ${name}`);
  const list = lines(...dropped);
  const checked = await stageFiles(host, dropped, {
    doing: "fetching the original configuration",
    mode: "load",
    changes: true,
  });
  const staged = marked(checked, "model") as Model | undefined;
  const isUp = left !== undefined && isRunning(left);
  const isMoved =
    left !== undefined && staged !== undefined && (await moveIfOther(host, left, staged).catch(goBack));
  try {
    await host.run(scripts.swap, {
      doing: "putting the original configuration back",
      input: Buffer.concat([lines(isUp ? "active" : "inactive"), list]),
      changes: true,
    });
  } catch (error) {
    if (isMoved && isUp) await startAgain(host).catch(() => undefined);
    throw error;
  }
  await host.run(scripts.settle, {
    doing: "forgetting the original configuration",
    input: Buffer.concat([lines(isMoved ? "more" : "done"), list]),
    changes: true,
  });
  const original = await find(host, []);
  if (original?.model && (isRunning(original) || (isMoved && isUp))) {
    const model = knowing(original.model, left?.model);
    await converge(host, model, !isRunning(original))
      .catch(() => converge(host, model, true))
      .catch((error: Error) => {
        throw new Error(
          `the original configuration is back, but Prosody does not run with it: ${error.message}`,
        );
      });
  }
  if (isMoved) await endMove(host);
}

/** Part of a message → what to do. */
const fixes: [string, string][] = [
  ["the old storage has data in", "set prosody:storage to internal, run pulumi up, and then this again."],
  [
    "no move brings along",
    `take these storages out of ${archiveDirectory}/original/files/prosody.cfg.lua on the host, then run this again.`,
  ],
  ["looks in", "do so, then run this again."],
  [
    "",
    "see that this storage can be used, and empty it if it still holds what was moved out of it then (a dump first does no harm); then run this again.",
  ],
];

/** What a destroy says of data that can't move: there is no other storage to choose. */
function goBack({ message }: Error): never {
  const [, fix] = fixes.find(([part]) => message.includes(part))!;
  throw new Error(
    `the data can't go back to the storage of the configuration from before the stack, so nothing was destroyed of it: ${message}\nFix: ${fix}`,
  );
}

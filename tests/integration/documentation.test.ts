import { pulumi } from "../../tools/engine";
import { commands, flags, pages } from "../helpers/documentation";

test("the commands of Pulumi in the documentation, and their options, are those of the engine", async () => {
  const typed = pages().flatMap((page) =>
    commands(page).flatMap((command) => {
      const [, text] = /(?:^|\| )(?:npm run )?pulumi (?:-- )?([a-z][^|]*)/.exec(command) ?? [];
      return text ? [text] : [];
    }),
  );
  const given = new Map<string, Set<string>>();
  for (const text of typed) {
    const words =
      /^[a-z-]+(?: (?:ls|rm|set|init|output|import|repair|delete|change-secrets-provider)\b)?/.exec(text)![0];
    given.set(words, new Set([...(given.get(words) ?? []), ...flags(` ${text}`)]));
  }
  const wrong: string[] = [];
  for (const [command, options] of given) {
    const { stdout } = await pulumi([...command.split(" "), "--help"]);
    // It names what it took for a command: `rm` is `remove` there, and of an unknown one it says how the rest is used.
    const usage = /^Usage:\n {2}pulumi((?: [a-z-]+)*)/m.exec(stdout)?.[1] ?? "";
    if (usage.trim().split(" ").length !== command.split(" ").length || usage === "") wrong.push(command);
    const known = new Set(stdout.match(/--[a-z][\w-]*/g));
    wrong.push(...[...options].filter((flag) => !known.has(flag)).map((flag) => `${command} ${flag}`));
  }
  expect(wrong).toEqual([]);
  expect([...given.keys()]).toEqual(
    expect.arrayContaining(["up", "preview", "config set", "stack init", "destroy"]),
  );
}, 120_000);

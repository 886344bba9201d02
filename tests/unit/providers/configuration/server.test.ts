import type { Running } from "../../../../providers/configuration/model";
import { converge } from "../../../../providers/configuration/server";
import { luaScript } from "../../../../providers/lua";
import { port, server, wanted } from "../../../fixtures/running-server";
import { FakeHost } from "../../../helpers/fake-host";

/** A host whose server takes every step; `next` is what it runs, each time that it is asked. */
function serving(next: () => Running) {
  const reply = (text: string) => `[true,${JSON.stringify(text)}]\n`;
  return new FakeHost({
    answers: {
      [luaScript]: (input) =>
        input.includes("> return report()")
          ? reply("").repeat(4) + reply('{"failures":[],"logged":[]}')
          : reply("") + reply(JSON.stringify(next())),
    },
  });
}

const openTooMuch = server(({ services }) => {
  services.c2s = { wanted: [port(5222)], active: [port(5222), port(15222)] };
});

test("what is done after some rounds is done", async () => {
  const rounds = [openTooMuch, openTooMuch, openTooMuch, server()];
  const host = serving(() => rounds.shift()!);
  await converge(host, wanted);
  expect(rounds).toEqual([]);
});

test("steps that the server takes without an effect are no success: what is left is told", async () => {
  await expect(
    converge(
      serving(() => openTooMuch),
      wanted,
    ),
  ).rejects.toThrow(
    "Prosody still does not run what its configuration says; what is left to do: close c2s, listen c2s",
  );
});

test("where something is known to be wrong, that is told instead", async () => {
  const failing = server(({ hosts }) => {
    hosts["example.test"]!.modules.carbons!.failed = "Error during load (see log)";
  });
  await expect(
    converge(
      serving(() => failing),
      wanted,
    ),
  ).rejects.toThrow(/^module carbons on example\.test says: Error during load \(see log\)$/);
});

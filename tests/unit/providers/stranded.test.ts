import type { ConfigurationInputs } from "../../../providers/configuration";
import { configurationHandler } from "../../../providers/handlers/configuration";
import { loseAccess, losesAccess, virtualHosts } from "../../../providers/stranded";

const inputs = (...domains: string[]): ConfigurationInputs => ({
  server: "s",
  files: {
    "/etc/prosody/prosody.cfg.lua": {
      content: domains.map((name) => `VirtualHost "${name}"\n`).join(""),
      mode: "0640",
      owner: "root",
      group: "prosody",
    },
  },
  secrets: {},
  live: true,
});

test("a configuration's virtual hosts are told from its components", () => {
  const text =
    'a = "VirtualHost"\nVirtualHost "a.test"\n  x = 1\nComponent "c.a.test"\nVirtualHost "b.test"\n';
  expect(virtualHosts(text)).toEqual(["a.test", "b.test"]);
});

test("the preview warns of each domain that goes, and of no other", async () => {
  const warnings: string[] = [];
  const write = jest.spyOn(process.stderr, "write").mockImplementation((text) => {
    warnings.push(String(text));
    return true;
  });
  const state = { ...inputs("a.test", "b.test"), warnings: [] };
  expect(await configurationHandler.diff!(state, inputs("a.test", "b.test"))).toEqual([]);
  expect(await configurationHandler.diff!(state, inputs("a.test", "b.test", "c.test"))).toEqual(["files"]);
  expect(warnings).toEqual([]);
  expect(await configurationHandler.diff!(state, inputs("b.test"))).toEqual(["files"]);
  expect(warnings).toEqual([`${losesAccess("s", "a.test")}\n`]);
  write.mockRestore();
});

test("people of a server that is taken over are counted", () => {
  expect(loseAccess("s", "a.test", 1)).toContain("1 account of it loses its access.");
  expect(loseAccess("s", "a.test", 2)).toContain("2 accounts of it lose their access.");
});

import type { Model } from "../../../providers/configuration/model";
import { compare, type Present } from "../../../tools/compare-report";
import { server } from "../../fixtures/server";

const present = (changes: Partial<Present>): Present => ({
  survey: { version: "13.0.1", data: "/var/lib/prosody", hosts: {}, files: true, databases: [] },
  model: undefined,
  verifiers: new Map(),
  isOurs: false,
  resets: new Set(),
  packages: new Set(["prosody"]),
  ...changes,
});

/** The lines under a heading that say what goes. */
function goes(heading: string, found: Present): string[] {
  const hosts = ["example.test", "conference.example.test"];
  const section = compare(server(), found, "13.0", hosts).find((each) => each.heading === heading);
  return section!.lines.filter((line) => line.startsWith("-"));
}

test("a virtual host or component that goes names the option that keeps it", () => {
  const hosts = {
    "other.test": "",
    "rooms.example.test": "muc",
    "files.example.test": "http_file_share",
    "socks.example.test": "proxy65",
    "irc.example.test": "component",
    "news.example.test": "pubsub",
    "rooms.other.test": "muc",
  };
  const stays = "up takes it out of the configuration; its data stay on the host.";
  expect(goes("Virtual hosts and components", present({ survey: { ...present({}).survey, hosts } }))).toEqual(
    [
      `- files.example.test: ${stays} To keep it: prosody:upload.subdomain: files`,
      `- irc.example.test: ${stays} To keep it: prosody:components["irc"]`,
      `- news.example.test: ${stays} No option keeps a component with the module pubsub`,
      `- other.test: ${stays} To keep it: prosody:domains["other.test"]`,
      `- rooms.example.test: ${stays} To keep it: prosody:conference.subdomain: rooms`,
      `- rooms.other.test: ${stays} To keep it: prosody:conference.subdomain, and the domain above it in prosody:domains`,
      `- socks.example.test: ${stays} To keep it: prosody:proxy65.subdomain: socks`,
    ],
  );
});

test("a module whose work is done anyway is no loss, and no advice would bring it back", () => {
  const modules = ["posix", "motd", "vcard", "offline", "welcome"];
  const model = { hosts: { "example.test": { component: false, modules } }, ports: [] } as unknown as Model;
  const keep = "up unloads it. To keep it: prosody:extraModules: [motd, welcome]";
  expect(goes("Modules", present({ model }))).toEqual([
    `- motd: ${keep}`,
    "- vcard: up unloads it (the two clash; vcard_legacy takes over the stored profiles and keeps avatars in step (XEP-0398))",
    `- welcome: ${keep}`,
  ]);
});

test("data that up would refuse to leave behind are told before", () => {
  const survey = { ...present({}).survey, data: "/srv/prosody", others: ["xmlarchive"] };
  const storage = (found: Present["survey"]) =>
    compare(server(), present({ survey: found }), "13.0", [])
      .filter(({ heading }) => heading === "Storage")
      .flatMap(({ lines }) => lines);
  const refused = "up refuses to leave them behind, docs/troubleshooting.md (Storage) says what to do";
  expect(storage(present({}).survey)).toEqual([]);
  expect(storage(survey)).toEqual([
    `~ data in /srv/prosody => /var/lib/prosody: ${refused}`,
    `- data in xmlarchive, which no move brings along: ${refused}`,
  ]);
});

test("passwords that nobody could use any more name the option that keeps them", () => {
  const host = { component: false, modules: [], authentication: "internal_hashed", passwordHash: "SHA-256" };
  const model = { hosts: { "example.test": host }, ports: [] } as unknown as Model;
  const verifiers = new Map([["alice@example.test", "SCRAM-SHA-256$10000:c2FsdA==$a:b"]]);
  const passwords = (options: Record<string, string>) =>
    compare(server({ options }), present({ model, verifiers }), "13.0", []).find(
      ({ heading }) => heading === "Passwords",
    )?.lines;
  expect(passwords({})).toEqual([
    "  up refuses: accounts of example.test could not log in any more (1): their passwords are stored for password_hash SHA-256, which would be SHA-1. Keep it: pulumi config set --path 'options.password_hash' SHA-256",
  ]);
  expect(passwords({ password_hash: "SHA-256" })).toBeUndefined();
});

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse as parseYaml } from "yaml";
import { parse } from "../../../config/parse";
import { root } from "../../../config/root";
import { schema, surroundings } from "../../../config/schema";
import { blocks, commands, flags, type Page, pages } from "../../helpers/documentation";
import { machine } from "../../helpers/environment";
import { sshKeyPair } from "../../helpers/ssh-keys";

const all = pages();
const everywhere = <Found>(find: (page: Page) => Found[]) =>
  all.flatMap((page) => find(page).map((found) => ({ file: page.file, found })));
const { scripts } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
};

describe("what the documentation has one type", () => {
  /** `npm run NAME -- ARGUMENTS`, without what another program gets. */
  const ours = everywhere((page) =>
    commands(page).flatMap((command) => {
      const [, name, args = ""] = /^npm run (?:--silent )?([\w:-]+)([^|]*)/.exec(command) ?? [];
      return name ? [{ name, args }] : [];
    }),
  );

  test("is a script of this project", () => {
    expect(ours.filter(({ found }) => !scripts[found.name])).toEqual([]);
    expect(ours.length).toBeGreaterThan(50);
  });

  test("has options that the tool's own help names", async () => {
    const unknown: string[] = [];
    for (const { file, found } of ours) {
      const given = flags(found.args).filter((flag) => flag !== "--help");
      if (given.length === 0 || found.name === "pulumi") continue;
      const known = new Set((await help(found.name)).match(/--[a-z][\w-]*/g));
      unknown.push(
        ...given.filter((flag) => !known.has(flag)).map((flag) => `${file}: ${found.name} ${flag}`),
      );
    }
    expect(unknown).toEqual([]);
  });

  test("sets options that there are", () => {
    const { shape } = schema(surroundings({}, machine(), new Set())).in;
    const set = everywhere((page) =>
      commands(page).flatMap(
        (command) => /^pulumi config (?:set|rm) (?:--\S+ )*'?(?:prosody:)?(\w+)/.exec(command)?.[1] ?? [],
      ),
    );
    expect(set.filter(({ found }) => !(found in shape))).toEqual([]);
    expect(set.length).toBeGreaterThan(15);
  });

  /** What a tool says when it is asked for its options. */
  async function help(name: string): Promise<string> {
    let text = "";
    const spies = [process.stdout, process.stderr].map((stream) =>
      jest.spyOn(stream, "write").mockImplementation((chunk) => {
        text += chunk;
        return true;
      }),
    );
    try {
      await require(path.join(root, "tools", name)).main(["--help"]);
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
    return text;
  }
});

test("each stack config of the documentation is one, without a mistake or a warning", () => {
  const key = sshKeyPair();
  const env = machine({ "/home/me/.ssh/id_ed25519": key.private });
  const base = {
    host: { address: "xmpp.example.com", hostKey: key.public, privateKeyFile: "~/.ssh/id_ed25519" },
    domains: { "example.com": { acme: { email: "hostmaster@example.com" } } },
    jids: { "alice@example.com": "hunter2" }, // a command of the README sets it
  };
  const secrets: Record<string, string> = { secret: "c2VjcmV0IG9mIHRoZSBsYWI=" };
  const configs = everywhere((page) =>
    page.file === "docs/configuration.md"
      ? []
      : blocks(page, "yaml").filter((block) => /^config:/m.test(block)),
  );
  const problems = configs.map(({ file, found }) => {
    const text = found.replace(/hostKey: ssh-ed25519 \S+…/, `hostKey: ${key.public.trim()}`);
    const decrypted = JSON.stringify((parseYaml(text) as { config: unknown }).config, (name, value) =>
      value?.secure ? (secrets[name] ?? "hunter2") : value,
    );
    const options = Object.entries(JSON.parse(decrypted) as Record<string, unknown>);
    const raw = Object.fromEntries(options.map(([name, value]) => [name.replace("prosody:", ""), value]));
    const encrypted = new Set(["jids", "components", "dns"]);
    const { settings, problems } = parse({ ...base, ...raw }, env, encrypted);
    return { file, problems, warnings: settings?.warnings };
  });
  expect(problems).toEqual(configs.map(({ file }) => ({ file, problems: [], warnings: [] })));
  expect(configs.map(({ file }) => file)).toEqual(expect.arrayContaining(["README.md", "docs/dns.md"]));
});

test("each link of the documentation leads to a file that is there, and to a heading of it", () => {
  const anchors = (file: string) =>
    [...readFileSync(file, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    );
  const broken = everywhere(({ file, text }) =>
    [...text.matchAll(/(?:\]\(|(?:src|href)=")(?![a-z]+:)([^)"#\s]*)(?:#([^)"\s]*))?[)"]/g)]
      .filter(([, target, anchor]) => {
        const at = target ? path.join(root, path.dirname(file), target) : path.join(root, file);
        return !existsSync(at) || (anchor && !anchors(at).includes(anchor));
      })
      .map(([link]) => link),
  );
  expect(broken).toEqual([]);
});

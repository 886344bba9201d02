import { readFileSync } from "node:fs";
import path from "node:path";
import { parse as parseYaml } from "yaml";
import { parse } from "../../../config/parse";
import { root } from "../../../config/root";
import { schema, surroundings } from "../../../config/schema";
import { machine } from "../../helpers/environment";
import { sshKeyPair } from "../../helpers/ssh-keys";
import { certified } from "../../helpers/x509";

const authority = certified({ subject: "Example Root", authority: true });
const intermediate = certified({ subject: "Example CA", issuer: authority, authority: true });
const com = certified({
  subject: "example.com",
  names: ["example.com", "*.example.com"],
  issuer: intermediate,
});
const net = certified({ subject: "example.net", names: ["example.net", "*.example.net"], issuer: authority });
const ssh = sshKeyPair("ed25519", {
  cipher: "aes256-ctr",
  passphrase: "open sesame",
  rounds: 1,
});

const env = machine(
  {
    "/project/certs/example.com.crt": com.certificate,
    "/project/certs/example.com.key": com.key,
    "/project/certs/intermediate.crt": intermediate.certificate,
    "/project/certs/root.crt": authority.certificate,
    "/project/certs/example.net.fullchain.pem": net.certificate + authority.certificate,
    "/project/jids.prod.yaml": "carol@example.com: hunter2",
    "/home/me/.ssh/id_ed25519": ssh.private,
    "/home/me/.ssh/known_hosts": `bastion.example.com ${sshKeyPair().public}`,
    "/run/agent": "",
  },
  { agent: "/run/agent" },
);

/** Option → what the engine would decrypt there. */
const secrets: Record<string, string> = {
  passphrase: "open sesame",
  key: net.key,
  secret: "c2VjcmV0IG9mIHRoZSBsYWI=",
};

/** The stack config as the engine hands it over, without the engine. */
function stackConfig(): Record<string, unknown> {
  const text = readFileSync(path.join(root, "docs/Pulumi.example.yaml"), "utf8");
  const { config } = parseYaml(text) as { config: Record<string, unknown> };
  const decrypted = JSON.stringify(config, (key, value) =>
    value?.secure ? (secrets[key] ?? "hunter2") : value,
  );
  const entries = Object.entries(JSON.parse(decrypted) as Record<string, unknown>);
  return Object.fromEntries(entries.map(([key, value]) => [key.replace("prosody:", ""), value]));
}

test("docs/Pulumi.example.yaml is a stack config without a mistake or a warning", () => {
  const encrypted = new Set(["host", "domains", "jids", "components", "dns", "storage"]);
  const { settings, problems } = parse(stackConfig(), env, encrypted);
  expect(problems).toEqual([]);
  expect(settings!.warnings).toEqual([]);
  expect(settings!.servers[0]).toMatchObject({
    domains: [{ name: "example.com" }, { name: "example.net" }, { name: "example.org" }],
    jids: [
      { jid: "alice@example.com", policy: "initial" },
      { jid: "bob@example.net", policy: "enforced" },
      { jid: "mallory@example.com", password: undefined },
      { jid: "carol@example.com", policy: "initial" },
    ],
    tls: { minimum: "1.2" },
  });
});

test("it shows every option but the list of modules, which has a page of its own", () => {
  const { shape } = schema(surroundings({}, env, new Set())).in;
  const shown = Object.keys(stackConfig());
  expect(Object.keys(shape).filter((option) => !shown.includes(option))).toEqual(["modules"]);
});

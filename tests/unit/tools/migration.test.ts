import { readFileSync } from "node:fs";
import path from "node:path";
import { parse as parseYaml } from "yaml";
import { parse } from "../../../config/parse";
import { root } from "../../../config/root";
import { main, text } from "../../../tools/migrate";
import { migrate } from "../../../tools/migration";
import { environment, good, pki } from "../../fixtures/bad-configs/base";

const todo = "prosody:host is still to be set: the address of the host, and how SSH reaches it.";

/** Every variable of the role, as its users wrote them. */
const vars = `
ssl:
  example.com:
    certificate: certs/leaf.crt
    key: |
${pki.leaf.key.replace(/^/gm, "      ")}
    intermediates: [certs/inner.crt, "{{ lookup('file', 'certs/outer.crt') }}"]
    assembled: /etc/pki/tls/certs/example.com.crt
    user_may_read: prosody
xmpp:
  jids:
    alice@example.com: hunter2
    number@example.com: 12345
    gone@example.com:
    empty@example.com: ""
    none@example.com: None
  ports: { client_starttls: 5222, client_ssl: False, server: 5269 }
  ssl: { protocol: tlsv1_2+ }
  conference: { enabled: True, subdomain: rooms, creators: admins }
  components: { fbgateway: hunter3 }
  admin_jids: [alice@example.com]
  global_stanzas:
    http_max_content_size: 104857600
    http_upload_file_size_limit: 52428800
    components_listen_port: 5555
    c2s_idle_timeout: 300
    ldap_password: hunter4
    mqtt: [{ name: bridge, token: hunter5, settings: { admin_secret: 678901 } }]
    colour: "{{ colour }}"
  modules_origin: { source: https://hg.prosody.im/prosody-modules/, revision: 81956bb99289 }
  modules: [roster, saslauth, tls, http_upload, smacks]
  extra_modules: [motd]
  logging: { prosody_log: debug, syslog: info }
`;

test("every variable of the role becomes an option, and the result is a stack config without a mistake", () => {
  const { config, secrets, notes } = migrate(vars);
  expect(config).toEqual({
    domains: {
      "example.com": { certificate: "certs/leaf.crt", intermediates: ["certs/inner.crt", "certs/outer.crt"] },
    },
    jids: { "gone@example.com": null, "empty@example.com": null, "none@example.com": null },
    admins: ["alice@example.com"],
    ports: { clientStarttls: 5222, clientDirectTls: false, server: 5269, components: 5555 },
    tls: { minimum: "1.2" },
    conference: { enabled: true, subdomain: "rooms", creators: "admins" },
    upload: { maxBytes: 52428800 },
    options: { c2s_idle_timeout: 300, mqtt: [{ name: "bridge", settings: {} }] },
    modulesOrigin: { source: "https://hg.prosody.im/prosody-modules/", revision: "81956bb99289" },
    modules: ["roster", "saslauth", "tls", "http_upload", "smacks"],
    extraModules: ["motd"],
    logging: { file: "debug", syslog: "info" },
  });
  expect([...secrets.keys()]).toEqual([
    'domains["example.com"].key',
    'jids["alice@example.com"]',
    'jids["number@example.com"]',
    "components.fbgateway",
    "options.ldap_password",
    "options.mqtt[0].token",
    "options.mqtt[0].settings.admin_secret",
  ]);
  expect([...secrets.values()].map((text) => text.trim())).toEqual([
    pki.leaf.key.trim(),
    "hunter2",
    "12345",
    "hunter3",
    "hunter4",
    "hunter5",
    "678901",
  ]);
  expect(notes).toEqual([
    "xmpp.global_stanzas.colour: Ansible takes it from elsewhere; set it: pulumi config set --path --secret 'options.colour'",
    "xmpp.global_stanzas: prosody:options are checked; what has an option of its own here is refused, with its name.",
    todo,
  ]);
  const domains = {
    "example.com": { ...(config.domains as { "example.com": object })["example.com"], key: pki.leaf.key },
  };
  const jids = { ...(config.jids as object), "alice@example.com": "hunter2" };
  const { problems } = parse(
    { host: good().host, ...config, domains, jids, components: { fbgateway: "hunter3" } },
    environment,
  );
  expect(problems).toEqual([]);
});

test("no secret is in what is printed, and the rest can be read back", () => {
  const found = migrate(vars);
  const printed = text(found, "/etc/it's/vars.yml");
  for (const secret of found.secrets.values()) expect(printed).not.toContain(secret.trim().slice(0, 40));
  expect(printed).toContain(
    `#   node tools/run.cjs migrate '/etc/it'\\''s/vars.yml' --secret 'jids["alice@example.com"]' | pulumi config set --path --secret 'jids["alice@example.com"]'`,
  );
  const { config } = parseYaml(printed) as { config: Record<string, unknown> };
  expect(config["prosody:ports"]).toEqual(found.config.ports);
});

test("a file that is not there is told by its path", async () => {
  const file = path.join(root, "tests/no-such-vars.yml");
  await expect(main([file])).rejects.toThrow(
    `The file with the role's variables, ${file}, can't be read (ENOENT). Give its path, or that of the playbook that has them.`,
  );
});

test("what Ansible takes from elsewhere is named, and guessed at by nobody", () => {
  const { config, secrets, notes } = migrate(`
- hosts: xmpp
  vars:
    ssl:
      example.com:
        certificate: "{{ certificates['example.com'] }}"
        key: "{{ lookup('file', '~/keys/example.com.key') }}"
    xmpp:
      jids:
        alice@example.com: !vault |
          $ANSIBLE_VAULT;1.1;AES256
          6231
        bob@example.com: "{{ bob_password }}"
      ssl: { protocol: sslv3 }
      modules_origin: { source: https://hg.example }
      modules: "{{ modules }}"
      admin_jids: "{{ admins }}"
      jid: {}
`);
  expect(config.domains).toEqual({
    "example.com": { certificate: "TODO", keyFile: "~/keys/example.com.key" },
  });
  expect(secrets.size).toBe(0);
  const set = (jid: string) => `pulumi config set --path --secret 'jids["${jid}"]'`;
  expect(notes).toEqual([
    'ssl["example.com"].certificate: Ansible takes it from elsewhere; give the path of the file.',
    `xmpp.jids["alice@example.com"]: Ansible takes it from elsewhere; set it: ${set("alice@example.com")}`,
    `xmpp.jids["bob@example.com"]: Ansible takes it from elsewhere; set it: ${set("bob@example.com")}`,
    'xmpp.ssl.protocol: "sslv3" allows what is broken (RFC 8996); the least version is 1.2.',
    "xmpp.modules_origin: it has no source and revision, so that community modules come from the distribution's package; set prosody:modulesOrigin.",
    "xmpp.modules: Ansible takes it from elsewhere; see docs/migrating.md for its option.",
    "xmpp.admin_jids: Ansible takes it from elsewhere; see docs/migrating.md for its option.",
    "xmpp.jid: the old role has no such variable; left out.",
    todo,
  ]);
});

test.each([
  ["hunter2: [", /^This is no YAML: see line 1\. Give the YAML file that sets ssl and xmpp\.$/],
  ["- hunter2", /^There is neither ssl nor xmpp at the top/],
  ["xmpp: hunter2", /^xmpp is no map/],
])("a file that is none of the role's is refused without a word of it: %s", (file, message) => {
  expect(() => migrate(file)).toThrow(message);
  expect(() => migrate(file)).toThrow(
    expect.not.objectContaining({ message: expect.stringContaining("hunter2") }),
  );
});

test("docs/migrating.md has every variable", () => {
  const page = readFileSync(path.join(root, "docs/migrating.md"), "utf8");
  const names = [
    ...vars.matchAll(
      /\b(certificate|key|intermediates|assembled|user_may_read|client_\w+|protocol|enabled|subdomain|creators|components|admin_jids|global_stanzas|http_\w+|components_listen_port|modules_origin|modules|extra_modules|prosody_log|syslog|jids)(?=:)/g,
    ),
  ].map(([, name]) => name!);
  expect(names.length).toBeGreaterThan(20);
  for (const name of new Set(names)) expect(page).toContain(name);
});

import { decode } from "../../../config/parse";
import { renderConfiguration } from "../../../templates/render";
import { good } from "../../fixtures/bad-configs/base";
import { revealed, server } from "../../helpers/settings";

describe("text where `pulumi config set` left text", () => {
  test("ports and switches", () => {
    const config = {
      ...good(),
      ports: { https: "8443", server: "false" },
      proxy65: "false",
      conference: "true",
      upload: { maxBytes: "5" },
    };
    expect(server(config)).toMatchObject({
      ports: { https: 8443, server: false },
      proxy65: { enabled: false },
      conference: { enabled: true },
      upload: { maxBytes: 5 },
    });
  });

  test.each([
    ["", undefined],
    [undefined, undefined],
    ["xmpp.example.com", "xmpp.example.com"],
    ["[::1]", "[::1]"],
    ['{"a":[1,null,"x"]}', { a: [1, null, "x"] }],
    ["[1]", [1]],
    ["false", "false"],
    ["12", "12"],
  ])("%j is read as %j", (text, value) => {
    expect(decode(text)).toEqual(value);
  });
});

describe("services that need a port", () => {
  test("are off without it", () => {
    const ports = { https: false, proxy65: false, turn: false, turnTls: false };
    expect(server({ ...good(), ports })).toMatchObject({
      upload: { enabled: false },
      proxy65: { enabled: false },
      turn: { enabled: false },
    });
    expect(server({ ...good(), ports: { turn: false } }).turn.enabled).toBe(true);
  });

  test("but for uploads through another web server", () => {
    const config = {
      ...good(),
      ports: { https: false },
      upload: true,
      options: { http_external_url: "https://u/" },
    };
    expect(server(config).upload.enabled).toBe(true);
    const { files } = renderConfiguration(server(config), "13.0");
    expect(files["/etc/prosody/prosody.cfg.lua"]!.content).toContain(
      'Component "upload.example.com" "http_file_share"',
    );
  });

  test("nor without its module, so that it has no name in DNS and certificates either", () => {
    const off = ["mod_muc", "http_upload", "proxy65"];
    const { conference, upload, proxy65 } = server({ ...good(), disabledModules: off });
    expect([conference, upload, proxy65].map(({ enabled }) => enabled)).toEqual([false, false, false]);
  });
});

test.each([
  ["require", { mode: "require", https443: false }],
  [false, { mode: "off", https443: false }], // YAML's `off`
  [{ https443: true }, { mode: "auto", https443: true }],
])("the firewall in short: %j", (firewall, expected) => {
  expect(server({ ...good(), firewall }).firewall).toEqual(expected);
});

describe("what may be a secret among the options", () => {
  const options = {
    a: "text",
    b: { deep: ["text", 1] },
    registration_secret: "x",
    ldap: { password: "y", port: 389 },
  };

  test("by its name, where nothing is encrypted", () => {
    expect(revealed(server({ ...good(), options }).options)).toEqual({
      ...options,
      registration_secret: { secret: "x" },
      ldap: { password: { secret: "y" }, port: 389 },
    });
  });
  test("every text, where something is encrypted", () => {
    expect(revealed(server({ ...good(), options }, ["options"]).options)).toEqual({
      a: { secret: "text" },
      b: { deep: [{ secret: "text" }, 1] },
      registration_secret: { secret: "x" },
      ldap: { password: { secret: "y" }, port: 389 },
    });
  });
});

test("where hooks hold a secret, every command and every variable is one", () => {
  const hook = { name: "announce", create: "a", update: "b", delete: "c", environment: { A: "d" } };
  const parsed = (encrypted: string[]) =>
    server({ ...good(), hooks: { after: [hook] } }, encrypted).hooks.after[0];
  const rest = { name: "announce", where: "local", triggers: [] };
  expect(revealed(parsed(["host"]))).toEqual({ ...hook, ...rest });
  const secret = (text: string) => ({ secret: text });
  expect(revealed(parsed(["hooks"]))).toEqual({
    ...rest,
    create: secret("a"),
    update: secret("b"),
    delete: secret("c"),
    environment: { A: secret("d") },
  });
});

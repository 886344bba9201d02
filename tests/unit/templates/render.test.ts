import { releases } from "../../../config/release";
import { Secret } from "../../../config/secret";
import { renderComponent, renderConfiguration } from "../../../templates/render";
import { domain, server, variants } from "../../fixtures/server";
import { expectGolden } from "../../helpers/golden";

const main = "/etc/prosody/prosody.cfg.lua";
const secrets = "/etc/prosody/secrets.cfg.lua";

describe.each(releases)("for Prosody %s", (release) => {
  test.each(Object.entries(variants))("%s", (name, settings) => {
    const rendered = renderConfiguration(settings, release);
    const folder = `${release}/${name.replaceAll(/[^a-z]+/g, "-")}`;
    expect(Object.keys(rendered.files)).toEqual([main]);
    for (const [path, file] of Object.entries({ ...rendered.files, ...rendered.secrets }))
      expectGolden(
        `${folder}/${path.replace("/etc/prosody/", "")}`,
        file.content.replace(/(?<=\/own-)[0-9a-f]{8}/, "DIGEST"),
      );
  });
});

const render = (changes: Parameters<typeof server>[0]) => renderConfiguration(server(changes), "13.0");
const text = (changes: Parameters<typeof server>[0]) => render(changes).files[main]!.content;
const lines = (changes: Parameters<typeof server>[0], pattern: RegExp) =>
  text(changes)
    .split("\n")
    .filter((line) => pattern.test(line));

test("every file is root's, and Prosody's group may read it", () => {
  const { files, secrets } = render({ options: { x: new Secret("y") } });
  for (const { mode, owner, group } of Object.values({ ...files, ...secrets }))
    expect({ mode, owner, group }).toEqual({ mode: "0640", owner: "root", group: "prosody" });
});

test("web clients are told of BOSH where it is loaded, or where the user says so", () => {
  const told = (changes: Parameters<typeof server>[0]) => lines(changes, /^advertise_bosh/);
  expect(told({})).toEqual(["advertise_bosh = false"]);
  expect(told({ extraModules: ["bosh"] })).toEqual(["advertise_bosh = true"]);
  expect(told({ extraModules: ["bosh"], options: { advertise_bosh: false } })).toEqual([
    "advertise_bosh = false",
  ]);
});

test("the same settings give the same text", () => expect(text({})).toBe(text({})));

describe("secrets", () => {
  const options = { registration_secret: new Secret("s3cret"), sql: { password: new Secret("pa55") }, x: 1 };

  test("are in a file of their own, included by its name alone", () => {
    const rendered = renderConfiguration(
      server({ options }),
      "13.0",
      "debian",
      new Secret("shared with coturn"),
    );
    const others = [rendered.files, rendered.warnings, rendered.report];
    expect(JSON.stringify(others)).not.toMatch(/s3cret|pa55|shared with coturn/);
    expect(rendered.secrets[secrets]!.content.split("\n").slice(-4)).toEqual([
      'registration_secret = "s3cret"',
      'sql = { password = "pa55" }',
      'external_service_secret = "shared with coturn"',
      "",
    ]);
    expect(lines({ options }, /^Include/)).toEqual(['Include "secrets.cfg.lua"']);
  });

  test("are included before the first virtual host, so that they are global", () => {
    const content = text({ options });
    expect(content.indexOf("Include ")).toBeLessThan(content.indexOf("VirtualHost "));
    expect(content.indexOf("Include ")).toBeGreaterThan(content.indexOf("x = 1"));
  });

  test("none: no file, no Include", () => {
    const plain = { options: { x: 1 }, turn: { ...server().turn, enabled: false } };
    expect(render(plain).secrets).toEqual({});
    expect(lines(plain, /Include/)).toEqual([]);
  });
});

describe("options", () => {
  test("a default is replaced where it stands, and written once", () =>
    expect(lines({ options: { archive_expires_after: "1y" } }, /archive_expires_after/)).toEqual([
      'archive_expires_after = "1y"',
    ]));
});

describe("ports", () => {
  test.each([
    ["clientStarttls", "c2s_ports"],
    ["clientDirectTls", "c2s_direct_tls_ports"],
    ["server", "s2s_ports"],
    ["serverDirectTls", "s2s_direct_tls_ports"],
    ["https", "https_ports"],
    ["proxy65", "proxy65_ports"],
    ["components", "component_ports"],
  ])("%s: %s", (port, option) => {
    const pattern = new RegExp(`^${option} =`);
    const { ports } = server();
    expect(lines({ ports: { ...ports, [port]: 7777 } }, pattern)).toEqual([`${option} = { 7777 }`]);
    expect(lines({ ports: { ...ports, [port]: false } }, pattern)).toEqual([`${option} = {}`]);
  });
});

test.each([
  ["everyone", "false"],
  ["admins", "true"],
  ["local", '"local"'],
] as const)("rooms made by %s: restrict_room_creation = %s", (creators, restriction) =>
  expect(
    lines({ conference: { enabled: true, subdomain: "c", creators } }, /restrict_room_creation/),
  ).toEqual([`\trestrict_room_creation = ${restriction}`]),
);

test("every virtual host has its own services, under Unicode names as XMPP has them", () =>
  expect(
    lines({ domains: [domain("example.test"), domain("xn--bcher-kva.test")] }, /^(VirtualHost|Component)/),
  ).toEqual([
    'VirtualHost "example.test"',
    'Component "conference.example.test" "muc"',
    'Component "upload.example.test" "http_file_share"',
    'Component "proxy.example.test" "proxy65"',
    'VirtualHost "bücher.test"',
    'Component "conference.bücher.test" "muc"',
    'Component "upload.bücher.test" "http_file_share"',
    'Component "proxy.bücher.test" "proxy65"',
  ]));

test("a domain beyond ASCII is known by its DNS name to TLS and HTTPS, others have no such line", () => {
  const upload = { ...server().upload, enabled: false };
  const changes = { domains: [domain("example.test"), domain("xn--bcher-kva.test")], upload };
  expect(lines(changes, /_host = /)).toEqual(
    ["", "conference.", "proxy."].flatMap((prefix) =>
      ["c2s_direct_tls_host", "s2s_direct_tls_host", "http_host"].map(
        (option) => `\t${option} = "${prefix}xn--bcher-kva.test"`,
      ),
    ),
  );
});

test.each([
  [{ domains: [domain("example.test"), domain("upload.example.test")] }, "upload.example.test"],
  [{ conference: { ...server().conference, subdomain: "upload" } }, "upload.example.test"],
])("two hosts of one name are refused", (changes, name) =>
  expect(() => render(changes)).toThrow(`Two virtual hosts or services are called ${name}.`),
);

describe("warnings", () => {
  test("none by default, on either release", () =>
    expect(releases.map((release) => renderConfiguration(server(), release).warnings)).toEqual([[], []]));

  test("of what the user asked for and does not get", () => {
    const { ports } = server();
    expect(render({ ports: { ...ports, server: false, serverDirectTls: false } }).warnings).toEqual([
      "prosody:ports.server and serverDirectTls are off, so that this server talks to no other server.",
    ]);
    expect(renderConfiguration(server({ extraModules: ["account_activity"] }), "0.12").warnings).toEqual([
      "prosody:extraModules: account_activity is left out: Prosody 0.12 does not have it.",
    ]);
    expect(render({ options: { allow_registration: true } }).warnings).toEqual([
      "prosody:options: allow_registration is true: everybody may make an account.",
    ]);
  });
});

describe("external components", () => {
  const component = (name: string, domain: string) => ({
    name: `${name}.${domain}`,
    subdomain: name,
    domain,
    secret: new Secret('q"u\\o'),
  });

  test("are included below their virtual host, without their secret", () => {
    const components = [component("irc", "example.test")];
    expect(lines({ components }, /component/i)).toContain('Include "component-irc.example.test.cfg.lua"');
    expect(text({ components })).not.toContain("component_secret");
    expect(text({ components, componentInterfaces: ["10.0.0.5"] })).toMatch(
      /^component_interfaces = \{ "10\.0\.0\.5" \}$/m,
    );
  });

  test("have a file of their own, in Unicode", () => {
    const { path, file } = renderComponent(component("irc", "xn--bcher-kva.test"));
    expect({ path, ...file }).toEqual({
      path: "/etc/prosody/component-irc.xn--bcher-kva.test.cfg.lua",
      content: expect.stringMatching(/^Component "irc\.bücher\.test"\n\tcomponent_secret = "q\\"u\\\\o"\n$/m),
      mode: "0640",
      owner: "root",
      group: "prosody",
    });
  });
});

import { Secret } from "../../../config/secret";
import { holdsSecret, optionProblems, optionWarnings } from "../../../templates/options";

test("options that another setting speaks for name that setting", () =>
  expect(optionProblems({ c2s_ports: [5222], motd_text: "hi", log: "*console", data_path: "/srv" })).toEqual([
    'prosody:options: "c2s_ports" is not set here. Use prosody:ports.clientStarttls.',
    'prosody:options: "log" is not set here. Use prosody:logging.',
    'prosody:options: "data_path" belongs to the program. Leave it out.',
  ]));

test.each(["a b", "end", "9x", "x = 1 y", "VirtualHost", "Include", "Lua", "ENV_HOME", ""])(
  "%j can't be the name of an option",
  (name) =>
    expect(optionProblems({ [name]: 1 })).toEqual([
      `prosody:options: ${JSON.stringify(name)} can't be the name of an option. ` +
        "Names are letters, digits and underscores, as in c2s_idle_timeout.",
    ]),
);

test("names of JavaScript's own objects are names like others", () =>
  expect(optionProblems({ constructor: 1, toString: 2 })).toEqual([]));

test("what takes safety away is warned of, the safe value is not", () => {
  expect(
    optionWarnings({ c2s_require_encryption: false, s2s_secure_auth: true, authentication: "ldap" }),
  ).toEqual(["prosody:options: c2s_require_encryption is false: clients may log in without encryption."]);
  expect(
    optionWarnings({ s2s_secure_auth: false, authentication: "internal_plain", allow_registration: true }),
  ).toHaveLength(3);
});

test("a secret is found at any depth", () => {
  const secret = new Secret("x");
  expect(
    [secret, [1, [secret]], { a: { b: secret } }, "x", [], { a: [1] }, 0, false].map(holdsSecret),
  ).toEqual([true, true, true, false, false, false, false, false]);
});

import { type Deb, requirements, rpmOf, spec, versionOf } from "../../../lab/fedora/spec";

const deb = (name: string, depends = "", provides = ""): Deb => ({
  name,
  version: "1.0-1",
  depends,
  provides,
});
const debs = [
  {
    ...deb("prosody", "adduser, lua5.4-expat, lua5.4-socket (>= 3), libc6 (>= 2.38) | libc, ssl-cert"),
    version: "13.0.1-1+deb13u1",
  },
  deb("lua-expat", "libc6", "lua5.4-expat (= 1.0), lua5.1-expat"),
  deb("lua-socket", "", "lua5.4-socket"),
  deb("lua-dbi-common"),
  deb("lua-dbi-sqlite3", "lua-dbi-common, libsqlite3-0, libextra:any"),
  deb("libextra"),
];

test("Debian packages go into RPMs by the table, others under their own name", () => {
  expect(["lua-dbi-sqlite3", "selinux-utils", "libextra", "ssl-cert"].map(rpmOf)).toEqual([
    "lua-dbi",
    "libselinux-utils",
    "libextra",
    undefined,
  ]);
});

test("requirements are what is made here, by the names of the RPMs", () => {
  expect(requirements("prosody", debs)).toEqual(["lua-expat", "lua-socket"]);
  expect(requirements("lua-dbi", debs)).toEqual(["libextra"]);
});

test.each([
  ["13.0.1-1+deb13u1", { epoch: "", version: "13.0.1" }],
  ["2:2.20250213-13~deb13u1", { epoch: "2", version: "2.20250213" }],
  ["2.1.13-stable-1", { epoch: "", version: "2.1.13.stable" }],
  ["5.8", { epoch: "", version: "5.8" }],
])("version %s", (debian, rpm) => {
  expect(versionOf(debian)).toEqual(rpm);
});

test("a subpackage has its files with what Fedora says of them, and stops its units when it goes", () => {
  const text = spec(debs, {
    prosody: [
      "/etc/prosody/",
      "/etc/prosody/prosody.cfg.lua",
      "/etc/logrotate.d/prosody",
      "/usr/lib/systemd/system/prosody.service",
    ],
  });
  expect(text).toContain("%package -n prosody\n");
  expect(text).toContain("\nVersion: 13.0.1\nRelease: 1.fc42\n");
  expect(text).toContain("\nRequires: lua-expat\nRequires: lua-socket\n");
  expect(text).toContain("\n[ $1 != 0 ] || systemctl --no-reload disable --now prosody.service || :\n");
  expect(text).not.toContain("systemctl enable");
  const files = text.slice(text.indexOf("%files"));
  expect(files).toContain("%dir %attr(0750,root,prosody) /etc/prosody\n");
  expect(files).not.toContain('"/etc/prosody');
  expect(files).toContain(
    '%config(noreplace) "/etc/logrotate.d/prosody"\n"/usr/lib/systemd/system/prosody.service"\n',
  );
});

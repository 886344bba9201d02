import { chooseMirror, filesOf, proxyOf, settingsToTakeOver } from "../../../lab/apt";

describe("the mirror of the machine", () => {
  const debian12 = `Packages main bookworm-security http://mirror.test/debian-security/
Packages main bookworm-updates http://mirror.test/debian/
Packages contrib bookworm http://mirror.test/contrib/
Packages main bookworm http://mirror.test/debian/
DEP-11 main bookworm http://mirror.test/dep11/
Packages main trixie http://newer.test/debian/
`;

  test("is the one that the machine has for the release", () => {
    expect(chooseMirror(debian12, "trixie")).toBe("http://newer.test/debian/");
    expect(chooseMirror(debian12, "bookworm")).toBe("http://mirror.test/debian/");
  });

  test("is any of Debian's for a release that the machine does not have", () => {
    expect(chooseMirror(debian12.replace(/.*trixie.*\n/, ""), "trixie")).toBe("http://mirror.test/debian/");
  });

  test("is none on a machine with another distribution", () => {
    expect(chooseMirror("Packages main noble http://archive.test/ubuntu/\n", "trixie")).toBeUndefined();
    expect(chooseMirror("", "trixie")).toBeUndefined();
  });
});

test("a host takes over what decides whether apt reaches its mirror, and nothing else", () => {
  const dump = `APT::Architecture "amd64";
Acquire "";
Acquire::http "";
Acquire::http::Proxy "http://proxy.test:3128";
Acquire::http::Proxy::internal.test "DIRECT";
Acquire::https::CaInfo "/etc/ssl/corporate.pem";
Acquire::https::internal.test::SslCert "/etc/ssl/client.pem";
Acquire::https::Verify-Peer "true";
Acquire::Check-Valid-Until "false";
Acquire::Retries "3";
Acquire::GzipIndexes "true";
Acquire::Languages:: "none";
Acquire::IndexTargets::deb::Packages::MetaKey "x";
DPkg::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb || true";
Dir::Cache::pkgcache "";
`;
  const taken = settingsToTakeOver(dump);
  expect(taken).toBe(`Acquire::http::Proxy "http://proxy.test:3128";
Acquire::http::Proxy::internal.test "DIRECT";
Acquire::https::CaInfo "/etc/ssl/corporate.pem";
Acquire::https::internal.test::SslCert "/etc/ssl/client.pem";
Acquire::https::Verify-Peer "true";
Acquire::Check-Valid-Until "false";
Acquire::Retries "3";
`);
  expect(filesOf(taken)).toEqual(["/etc/ssl/corporate.pem", "/etc/ssl/client.pem"]);
  expect(proxyOf(dump)).toBe("http://proxy.test:3128");
  expect(proxyOf('Acquire::Retries "3";\n')).toBeUndefined();
});

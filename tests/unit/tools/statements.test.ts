import { readFileSync } from "node:fs";
import path from "node:path";
import { root } from "../../../config/root";

/** What the README of the old role tells its users, and the test that holds it here: file below tests/, and its name. */
const statements: [statement: string, file: string, test: string][] = [
  ["a full XMPP server", "integration/server.test.ts", "the first up makes a server that users log in to"],
  ["the keys of ssl are the domains", "integration/migration.test.ts", "deploys: its user logs in"],
  ["JIDs with their initial passwords", "integration/migration.test.ts", "deploys: its user logs in"],
  ["None or an empty password deletes the account", "integration/server.test.ts", "a forbidden account made"],
  [
    "push, smacks, mam, carbons, csi, blocking, uploads",
    "unit/config/features.test.ts",
    "docs/server.md shows the table",
  ],
  [
    "one conference endpoint per virtual host",
    "integration/render.test.ts",
    "clean in the check, running as asked",
  ],
  ["creators: everyone, admins or local", "integration/default-server.test.ts", "creators: %s"],
  ["a component per key and virtual host", "integration/migration.test.ts", "its component is there"],
  ["TCP ports to open", "integration/host-access.test.ts", "up opens and labels its ports, and says so"],
  [
    "changed ports under SELinux",
    "integration/host-access.test.ts",
    "ports get a label that Prosody may bind",
  ],
  [
    "False disables a port",
    "integration/host-access.test.ts",
    "a port that is switched off or changed is so everywhere",
  ],
  [
    "the certificate is for the virtual domain",
    "fixtures/bad-configs/several.ts",
    "it is for xmpp.example.com, not for example.com",
  ],
  ["DNS records, direct TLS first", "unit/dns/records.test.ts", "a server with every port"],
  [
    "a disabled or changed port in DNS",
    "unit/dns/records.test.ts",
    "off there is no record, changed it says so",
  ],
  ["no conference, no name in DNS", "unit/dns/records.test.ts", "a service that is off has no name"],
];

test.each(statements)("%s", (_statement, file, name) => {
  expect(readFileSync(path.join(root, "tests", file), "utf8")).toContain(name);
});

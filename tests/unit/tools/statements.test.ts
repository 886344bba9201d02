import { readFileSync } from "node:fs";
import path from "node:path";
import { root } from "../../../config/root";

/** Tests by file below tests/ and their names, or a part of them. */
const whole = ["integration/verify.test.ts", "a default server passes whole"] as const;
const deploys = ["integration/migration.test.ts", "deploys: its user logs in"] as const;
const external = [
  "integration/components.test.ts",
  "each under its virtual hosts, for whoever has the secret",
] as const;

/** What the README of the old role tells its users, in its order, and the test that holds it here. */
const statements: [statement: string, file: string, test: string][] = [
  // Its introduction
  [
    "a full XMPP server, on Fedora",
    "integration/server.test.ts",
    "the first up makes a server that users log in to",
  ],
  ["push support, with cloud_notify", ...whole],
  ["stream management, with smacks", ...whole],
  ["message archive management", ...whole],
  ["HTTP file upload, to offline users too", ...whole],
  ["message carbons", ...whole],
  ["client state indication", ...whole],
  ["blocking", ...whole],
  ["the compliance suite, with the defaults and the DNS of the guide", ...whole],
  // Configuration details
  ["the keys of ssl are the domains", ...deploys],
  ["a few JIDs with their initial passwords", ...deploys],
  ["None deletes the account", ...deploys],
  ["so does an empty password", "integration/server.test.ts", "a forbidden account made"],
  // Conference support
  [
    "conference.enabled has conferences, or has none",
    "integration/render.test.ts",
    "clean in the check, running as asked",
  ],
  [
    "the subdomain is conference, or another",
    "integration/render.test.ts",
    "clean in the check, running as asked",
  ],
  [
    "one conference endpoint per virtual host",
    "integration/render.test.ts",
    "clean in the check, running as asked",
  ],
  [
    "people of other servers join",
    "integration/federation.test.ts",
    "users of each enter rooms of the other",
  ],
  ["creators: everyone, admins or local", "integration/default-server.test.ts", "creators: %s"],
  // External components
  ["a component per key and virtual host, named after both", ...external],
  ["its password is the value", ...external],
  ["the sample's component is declared", ...deploys],
  ["a DNS entry for it", "unit/dns/records.test.ts", "an external component has a name in its domain"],
  // Firewall, SELinux, SSL
  ["TCP ports to open", "integration/host-access.test.ts", "up opens and labels its ports, and says so"],
  [
    "it works with SELinux as it is shipped",
    "guest/selinux.test.ts",
    "serves the ports that the policy gives it",
  ],
  [
    "a changed port fails without a label",
    "guest/selinux.test.ts",
    "another port is refused without a label",
  ],
  ["and works with one", "guest/selinux.test.ts", "with it, the port is served"],
  [
    "the certificate is for the virtual domain",
    "fixtures/bad-configs/several.ts",
    "it is for xmpp.example.com, not for example.com",
  ],
  // DNS
  [
    "an address and SRV records that lead to it, a name for conferences",
    "integration/dns.test.ts",
    "is found by its domain alone",
  ],
  ["direct TLS comes first", "unit/dns/records.test.ts", "a server with every port"],
  ["clients verify the domain, not the host", "integration/federation.test.ts", "passes whole through DNS"],
  [
    "False disables a port",
    "integration/host-access.test.ts",
    "a port that is switched off or changed is so everywhere",
  ],
  [
    "a disabled or changed port in DNS",
    "integration/dns.test.ts",
    "a changed port changes its records, one that is off has none",
  ],
  [
    "no conference, no name in DNS; another subdomain, another name",
    "unit/dns/records.test.ts",
    "a service that is off has no name",
  ],
  // Usage
  ["a playbook with the variables", "integration/migration.test.ts", "is shown without a secret"],
];

test.each(statements)("%s", (_statement, file, name) => {
  expect(readFileSync(path.join(root, "tests", file), "utf8")).toContain(name);
});

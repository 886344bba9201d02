import type { HostFacts, Model } from "../../../../providers/configuration/model";
import { judge, misspelt } from "../../../../providers/configuration/preflight";

const model = (change: Partial<Model> = {}): Model => ({
  version: "13.0.1",
  hosts: { "example.test": { component: false, modules: ["admin_shell", "c2s"] } },
  options: {},
  reads: {},
  ports: [
    { service: "c2s", interface: "*", port: 5222 },
    { service: "c2s", interface: "::", port: 5222 },
    { service: "http", interface: "127.0.0.1", port: 5280 },
  ],
  logs: [],
  data: "/var/lib/prosody",
  problems: [],
  warnings: [],
  ...change,
});

const facts = (change: Partial<HostFacts> = {}): HostFacts => ({
  code: 0,
  text: "Checking config...\n    The following configuration files have been loaded:\n      -  /etc/prosody/.staged/prosody.cfg.lua\nDone.\n\nAll checks passed, congratulations!\n",
  listening: "",
  pid: 493,
  ...change,
});

test("a clean configuration passes", () => {
  expect(judge(facts(), model(), "")).toEqual({ refusals: [], warnings: [] });
});

describe("what Prosody refuses", () => {
  // Recorded from prosodyctl 13.0.1.
  const text = `

**************************
A problem occurred while reading the config file /etc/prosody/.staged/prosody.cfg.lua

Error on line 12: unexpected symbol near '='

More help on configuring Prosody can be found at https://prosody.im/doc/configure
Good luck!
**************************
`;
  test("is said with the path that the user knows", () => {
    expect(judge(facts({ code: 1, text }), undefined, "").refusals).toEqual([
      "A problem occurred while reading the config file /etc/prosody/prosody.cfg.lua",
      "Error on line 12: unexpected symbol near '='",
    ]);
  });

  test("is taken from the output when the check itself could not run", () => {
    expect(judge(undefined, undefined, "prosodyctl: not found\n").refusals).toEqual([
      "prosodyctl: not found",
    ]);
    expect(judge(undefined, undefined, "").refusals).toEqual(["Prosody can't load it"]);
  });
});

describe("remarks of prosodyctl check config", () => {
  const check = (remark: string) =>
    judge(
      facts({ code: 2, text: `Checking config...\n\n${remark}\n\nDone.\n\nProblems found, see above.\n` }),
      model(),
      "",
    );

  test("are warnings where the server works all the same", () => {
    const remark = `    You have some deprecated options in the global section:
    'legacy_ssl_ports' -- instead, use 'c2s_direct_tls_ports'`;
    expect(check(remark)).toEqual({
      refusals: [],
      warnings: [
        "You have some deprecated options in the global section: 'legacy_ssl_ports' -- instead, use 'c2s_direct_tls_ports'",
      ],
    });
  });

  test.each([
    "    No hosts are defined, please add at least one VirtualHost section",
    "    All hosts are disabled. Remove enabled = false from at least one VirtualHost section",
    "    The modules_enabled in the * section should not be a string but a list of strings, e.g.",
    "    You require encryption but mod_tls is not enabled.\n    Connections will fail.",
    "    No global options defined. Perhaps you have put a host definition at the top",
  ])("refuse where it does not: %s", (remark) => {
    expect(check(remark)).toEqual({ refusals: [remark.replace(/\s+/g, " ").trim()], warnings: [] });
  });
});

test("problems that Prosody does not look for refuse, warnings don't", () => {
  const verdict = judge(
    facts(),
    model({
      problems: ["a is defined more than once: /etc/prosody/.staged/prosody.cfg.lua:1"],
      warnings: ["/etc/prosody/.staged/x.cfg.lua:3: y is not defined"],
    }),
    "",
  );
  expect(verdict).toEqual({
    refusals: ["a is defined more than once: /etc/prosody/prosody.cfg.lua:1"],
    warnings: ["/etc/prosody/x.cfg.lua:3: y is not defined"],
  });
});

test("a server that could not be asked any more is refused", () => {
  const hosts = { "example.test": { component: false as const, modules: ["c2s"] } };
  expect(judge(facts(), model({ hosts }), "").refusals).toEqual([
    "admin_shell is not among modules_enabled; changes and accounts go through it",
  ]);
});

describe("ports", () => {
  const listening = (address: string, users: string) =>
    facts({ listening: `LISTEN 0 128 ${address} 0.0.0.0:* ${users}\n` });
  const refusals = (host: HostFacts) => judge(host, model(), "").refusals;

  test("of another process are refused with its name", () => {
    expect(refusals(listening("0.0.0.0:5222", 'users:(("nginx",pid=7,fd=3))'))).toEqual([
      "port 5222 of c2s is taken by nginx (process 7)",
    ]);
    expect(
      refusals(listening("0.0.0.0:5222", 'users:(("beam.smp",pid=7,fd=3))\n/proc/7/cgroup:ejabberd.service')),
    ).toEqual(["port 5222 of c2s is taken by beam.smp (process 7 of ejabberd.service)"]);
    expect(refusals(listening("[::]:5222", 'users:(("nginx",pid=7,fd=3))'))).toHaveLength(1);
    expect(refusals(listening("127.0.0.1:5222", 'users:(("nginx",pid=7,fd=3))'))).toHaveLength(1);
    expect(refusals(listening("0.0.0.0:5280", ""))).toEqual([
      "port 5280 of http is taken by another process",
    ]);
  });

  test("of Prosody itself, of another address or another number are free", () => {
    expect(refusals(listening("0.0.0.0:5222", 'users:(("lua5.4",pid=493,fd=9))'))).toEqual([]);
    expect(refusals(listening("192.0.2.1:5280", 'users:(("nginx",pid=7,fd=3))'))).toEqual([]);
    expect(refusals(listening("0.0.0.0:443", 'users:(("nginx",pid=7,fd=3))'))).toEqual([]);
  });

  test("of Prosody count as taken where the service is not what runs it", () => {
    const host = { ...listening("0.0.0.0:5222", 'users:(("lua5.4",pid=493,fd=9))'), pid: 0 };
    expect(refusals(host)).toEqual(["port 5222 of c2s is taken by lua5.4 (process 493)"]);
  });

  test("given to two services are refused, on addresses that overlap", () => {
    const ports = (address: string) => [
      { service: "c2s", interface: "*", port: 5222 },
      { service: "s2s", interface: address, port: 5222 },
    ];
    expect(judge(facts(), model({ ports: ports("192.0.2.1") }), "").refusals).toEqual([
      "port 5222 is given to c2s and to s2s",
    ]);
    expect(judge(facts(), model({ ports: ports("::") }), "").refusals).toEqual([]);
  });
});

test("an option that nobody reads is told when it is a letter or two from one that is read", () => {
  const known = ["c2s_require_encryption", "motd_text", "limits", "c2s_require_encryption"];
  const told = (...unknown: string[]) => misspelt(model({ unread: { unknown, known } }));
  expect(told("c2s_reqire_encryption", "motd_txet")).toEqual([
    "nothing in Prosody or its modules reads the option c2s_reqire_encryption; did you mean c2s_require_encryption? See prosody:options",
    "nothing in Prosody or its modules reads the option motd_txet; did you mean motd_text? See prosody:options",
  ]);
  expect(told("my_own_option", "c2s_encryption", "limts", "limtz")).toEqual([
    "nothing in Prosody or its modules reads the option limts; did you mean limits? See prosody:options",
  ]);
  expect(misspelt(model())).toEqual([]);
});

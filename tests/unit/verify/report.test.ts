import { score, summary, table } from "../../../verify/report";
import type { Line } from "../../../verify/runner";

const line = (more: Partial<Line>): Line => ({
  domain: "example.test",
  name: "Message Carbons",
  spec: "XEP-0280",
  suites: ["classic", "current"],
  status: "passed",
  seconds: 0.1,
  ...more,
});

const lines: Line[] = [
  line({ detail: "fine" }),
  line({
    name: "Push Notifications",
    spec: "XEP-0357",
    status: "failed",
    detail: "the server does not announce it",
    option: "prosody:modules with cloud_notify",
  }),
  line({
    name: "Entity Time",
    spec: "XEP-0202",
    suites: [],
    status: "off",
    detail: "without the module time",
  }),
  line({
    name: "host-meta",
    spec: "XEP-0156",
    suites: ["informational"],
    status: "not there",
    detail: "not in 0.12",
  }),
  line({ name: "Another server", spec: "RFC 6120", suites: [], status: "untested", detail: "give one" }),
];

describe("the report", () => {
  test("has a line for each feature, the fix for what failed, and what it comes to", () => {
    expect(table(lines)).toBe(
      [
        "running XEP-0280: Message Carbons…     PASSED  (fine)",
        "running XEP-0357: Push Notifications…  FAILED  the server does not announce it",
        "        turned green by: prosody:modules with cloud_notify",
        "running XEP-0202: Entity Time…         off  (without the module time)",
        "running XEP-0156: host-meta…           not there  (not in 0.12)",
        "running RFC 6120: Another server…      untested  (give one)",
        "passed 1/2",
        "compliance suite of 2017: passed 1/2, without Push Notifications",
        "compliance suite of today: passed 1/2, without Push Notifications",
        "compliance suite of today, informational: passed 0/1, without host-meta",
      ].join("\n"),
    );
  });

  test("says once what everything fails for", () => {
    const failed = (name: string, detail: string): Line => ({
      domain: "example.test",
      name,
      spec: "XEP-1",
      suites: [],
      status: "failed",
      detail,
      option: "the certificate",
      seconds: 1,
    });
    const all = ["a", "b", "c", "d"].map((name) => failed(name, "nobody can connect"));
    expect(table(all)).toBe(
      [
        ...["a", "b", "c", "d"].map((name) => `running XEP-1: ${name}…  FAILED`),
        "FAILED for the same reason, all 4:",
        "        nobody can connect",
        "        turned green by: the certificate",
        "passed 0/4",
      ].join("\n"),
    );
    expect(table([...all, { ...failed("e", "x"), option: "another" }])).toContain(
      "XEP-1: d…  FAILED  nobody can connect\n        turned green by: the certificate\n",
    );
  });

  test("counts only what was promised and tried, but in the public suites everything", () => {
    expect(score(lines)).toEqual({ passed: 1, of: 2 });
    expect(summary(lines)).toEqual({
      passed: 1,
      of: 2,
      suites: {
        classic: { passed: 1, of: 2 },
        current: { passed: 1, of: 2 },
        informational: { passed: 0, of: 1 },
      },
    });
  });
});

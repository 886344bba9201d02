import { type Check, type Context, FailedElsewhere, Untested } from "../../../verify/check";
import type { Expected } from "../../../verify/expected";
import { runChecks } from "../../../verify/runner";

const host = {
  domain: "example.test",
  server: { domains: [{ name: "example.test", certificate: {} }] },
} as unknown as Expected;

const check = (name: string, run: Check["run"], more: Partial<Check> = {}): Check => ({
  name,
  spec: "XEP-0001",
  option: `option of ${name}`,
  expect: () => "expected",
  run,
  ...more,
});

function runner(
  checks: Check[],
  {
    host: on = host,
    ...more
  }: { parallel?: number; timeout?: number; signal?: AbortSignal; host?: Expected } = {},
) {
  const closed: string[] = [];
  const lines = runChecks(checks, [on], {
    parallel: 2,
    timeout: 5,
    ...more,
    open: ({ name }) =>
      ({ close: async () => void closed.push(name) }) as unknown as Context & { close(): Promise<void> },
  });
  return { lines, closed };
}

const status = ({ name, status, detail }: { name: string; status: string; detail?: string }) => ({
  name,
  status,
  detail,
});

describe("the runner", () => {
  test("gives a line for each check, in their order, whatever becomes of it", async () => {
    const { lines, closed } = runner([
      check("slow", () => new Promise((resolve) => setTimeout(resolve, 30, "took its time"))),
      check("good", async () => undefined),
      check("bad", () => Promise.reject(new Error("it does not work"))),
      check("untried", () => Promise.reject(new Untested("no second server"))),
      check("off", () => Promise.reject(new Error("not to be run")), {
        expect: () => ({ off: "ports.https is false" }),
      }),
      check("absent", () => Promise.reject(new Error("not to be run")), {
        expect: () => ({ notIn: "0.12" }),
      }),
    ]);
    expect((await lines).map(status)).toEqual([
      { name: "slow", status: "passed", detail: "took its time" },
      { name: "good", status: "passed" },
      { name: "bad", status: "failed", detail: "it does not work" },
      { name: "untried", status: "untested", detail: "no second server" },
      { name: "off", status: "off", detail: "ports.https is false" },
      { name: "absent", status: "not there", detail: "not in 0.12" },
    ]);
    expect((await lines).map(({ option }) => option)).toEqual([
      undefined,
      undefined,
      "option of bad",
      undefined,
      undefined,
      undefined,
    ]);
    expect(closed.sort()).toEqual(["bad", "good", "slow", "untried"]);
  });

  test("names what turns it green, also where that is not the check's own option", async () => {
    const { lines } = runner([
      check("shut", () => Promise.reject(new FailedElsewhere("nobody can connect", "DNS records"))),
    ]);
    expect(await lines).toMatchObject([
      { status: "failed", detail: "nobody can connect", option: "DNS records" },
    ]);
  });

  test.each([
    [
      "TLS for example.test: UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      'prosody:domains["example.test"].intermediates, or --ca for an authority of your own',
    ],
    [
      "nobody can connect: TLS for example.test: SELF_SIGNED_CERT_IN_CHAIN",
      'prosody:domains["example.test"].intermediates, or --ca for an authority of your own',
    ],
    ["GET https://example.test/: CERT_HAS_EXPIRED", 'the certificate of prosody:domains["example.test"]'],
    ["wss://example.test: ECONNREFUSED", "DNS records"],
  ])("names the certificate where that is what failed: %s", async (detail, option) => {
    const failing = check("shut", () => Promise.reject(new FailedElsewhere(detail, "DNS records")));
    expect(await runner([failing]).lines).toMatchObject([{ status: "failed", detail, option }]);
  });

  test("names the authority of a certificate that the host has by itself", async () => {
    const failing = check("web", () =>
      Promise.reject(new Error("GET https://a/: DEPTH_ZERO_SELF_SIGNED_CERT")),
    );
    const own = { domain: "a", server: { domains: [{ name: "a" }] } } as unknown as Expected;
    expect((await runner([failing], { host: own }).lines)[0]!.option).toBe(
      "--ca, with the authority that issued the certificate of prosody:domains.a",
    );
  });

  test("says where a self-signed certificate is to be had", async () => {
    const failing = check("web", () =>
      Promise.reject(new Error("GET https://a/: DEPTH_ZERO_SELF_SIGNED_CERT")),
    );
    const own = {
      domain: "a",
      server: { domains: [{ name: "a", selfSigned: true }] },
    } as unknown as Expected;
    expect((await runner([failing], { host: own }).lines)[0]!.option).toBe(
      "prosody:domains.a.acme; for a trial, --ca with the certificate itself, /etc/prosody/certs/a.crt on the host",
    );
  });

  test("gives up a check that takes too long, and goes on", async () => {
    const { lines, closed } = runner(
      [check("hangs", () => new Promise(() => undefined)), check("good", async () => undefined)],
      {
        parallel: 1,
        timeout: 0.05,
      },
    );
    expect((await lines).map(status)).toEqual([
      { name: "hangs", status: "failed", detail: "not done after 0.05 s" },
      { name: "good", status: "passed" },
    ]);
    expect(closed).toEqual(["hangs", "good"]);
  });

  test("runs as many at the same time as it may, and no more", async () => {
    let running = 0;
    let most = 0;
    const busy = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
    };
    await runner(
      Array.from({ length: 9 }, (_, index) => check(`${index}`, busy)),
      { parallel: 3 },
    ).lines;
    expect(most).toBe(3);
  });

  test("ends early when it is interrupted", async () => {
    const interrupted = new AbortController();
    const { lines } = runner(
      [
        check("hangs", () => {
          setTimeout(() => interrupted.abort(new Error("interrupted")), 5);
          return new Promise(() => undefined);
        }),
        check("next", async () => undefined),
      ],
      { parallel: 1, signal: interrupted.signal },
    );
    expect((await lines).map(status)).toEqual([
      { name: "hangs", status: "failed", detail: "interrupted" },
      { name: "next", status: "failed", detail: "interrupted" },
    ]);
  });
});

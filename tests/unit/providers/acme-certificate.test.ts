import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { AcmeCertificateInputs } from "../../../providers/acme-certificate";
import { reasonOf } from "../../../providers/certbot";
import {
  adoptedMark,
  caFiles,
  hookFile,
  type Lineage,
  lineages,
  retryFiles,
} from "../../../providers/facts/lineages";
import { acmeCertificateHandler, lateness } from "../../../providers/handlers/acme-certificate";
import { pendingMark } from "../../../providers/load-certificates";
import { luaScript } from "../../../providers/lua";
import { base64, good, hostWith, inputs, now, row, state } from "../../helpers/certbot";
import type { FakeHost } from "../../helpers/fake-host";
import { certified } from "../../helpers/x509";

const ran = (host: FakeHost) =>
  host.changes.flatMap(
    (script) =>
      /certbot (certonly|update_account|delete)|^RENEWED_LINEAGE|daemon-reload/.exec(script)?.[0] ?? [],
  );

test("what is there and good is adopted, and no authority is asked", async () => {
  const host = hostWith(good);
  expect(await acmeCertificateHandler.create(host, inputs)).toEqual(state);
  expect(host.changes).toEqual([]);
  expect(await acmeCertificateHandler.read(host, state)).toEqual(state);
});

test("an address that the authority does not take is told, and stays a difference", async () => {
  const said = jest.spyOn(process.stderr, "write").mockReturnValue(true);
  const host = hostWith(
    good,
    good,
    "Saving debug log to x\nThe ACME server believes b@example.test is invalid.\n",
  );
  const wanted = { ...inputs, email: "b@example.test" };
  const after = await acmeCertificateHandler.update(host, state, wanted);
  expect(after).toEqual(state);
  expect(await acmeCertificateHandler.diff!(after, wanted)).toEqual(["email"]);
  expect(said.mock.calls).toEqual([
    [
      `${inputs.server}: the authority did not take the e-mail address b@example.test, and keeps the one before; the certificate of example.test is not affected. The ACME server believes b@example.test is invalid.\n`,
    ],
  ]);
  said.mockRestore();
});

describe("one that certbot had before the stack", () => {
  const adopting = (names: string[], had = row({ hook: "", retried: "no" }), after?: string) => {
    const host = hostWith(now("2026-02-01") + had, after);
    return { host, created: acmeCertificateHandler.create(host, { ...inputs, names }) };
  };

  test("is adopted", async () =>
    expect(await adopting(inputs.names).created).toMatchObject({ adopted: true, others: [] }));

  test("keeps the names that it has for others", async () => {
    const names = ["conference.example.test", "example.test"];
    const { host, created } = adopting(names);
    const state = await created;
    expect(state).toMatchObject({ names, adopted: true, others: ["upload.example.test"] });
    expect(host.changes.find((each) => each.includes("certonly"))).toContain(
      " -d conference.example.test -d example.test -d upload.example.test ",
    );
    const { names: read } = (await acmeCertificateHandler.read(hostWith(good), state))!;
    expect(read).toEqual(["example.test"]);
  });

  test("is good by its wildcard, and stays as it is", async () => {
    const { certificate } = certified({
      subject: "x",
      names: ["*.example.test", "example.test"],
      from: "2026-01-01",
      to: "2026-04-01",
    });
    const wildcard = row({ hook: "" }).replace(/chain=\S+/, `chain=${base64(certificate)}`);
    const { host, created } = adopting(inputs.names, wildcard, now("2026-02-01") + wildcard);
    const state = await created;
    expect(state).toMatchObject({ names: inputs.names, others: ["*.example.test"] });
    expect(ran(host)).toEqual([]);
    const { names } = (await acmeCertificateHandler.read(host, state))!;
    expect(names).toEqual(inputs.names);
  });

  test("is not taken for the stack's own after an up that failed", async () => {
    const { host, created } = adopting(["a.example.test"]);
    host.answers.set("/certbot certonly/", { code: 1, stdout: "Some reason\n==\n" });
    await expect(created).rejects.toThrow("Some reason");
    expect([...host.files.keys()]).toEqual([]);
  });

  test("is not taken for the stack's own where the connection ended with the script in place", async () => {
    const { host, created } = adopting(["a.example.test"]);
    host.answers.set("/certbot certonly/", new Error("the connection ended"));
    jest.spyOn(host.files, "delete").mockReturnValue(false);
    await expect(created).rejects.toThrow("the connection ended");
    expect([...host.files.keys()]).toEqual(
      [adoptedMark, hookFile, retryFiles].flatMap((of) => of("example.test")),
    );
    const next = adopting(inputs.names, row({ adopted: "yes" }));
    expect(await next.created).toMatchObject({ adopted: true });
  });
});

test("of one that was adopted and is gone, nothing makes a new one another's", async () => {
  const host = hostWith(now("2026-02-01"), good);
  host.files.set(adoptedMark("example.test"), { content: "", mode: "0644", owner: "root", group: "root" });
  expect(await acmeCertificateHandler.create(host, inputs)).toMatchObject({ adopted: false });
  expect(host.files.has(adoptedMark("example.test"))).toBe(false);
});

describe("where Prosody can't read its configuration", () => {
  const pending = `${now("2026-02-01")}pending\n${row()}`;

  test("a certificate is brought all the same, and shows until it is loaded", async () => {
    const host = hostWith(now("2026-02-01"), now("2026-02-01") + row({ deployed: "no" }));
    const said = jest.spyOn(process.stderr, "write").mockReturnValue(true);
    host.answers.set("/^RENEWED_LINEAGE=/", () => {
      host.answers.set(lineages.script, pending);
      return { code: 3, stderr: "The certificate … stays in service: no configuration" };
    });
    expect(await acmeCertificateHandler.create(host, inputs)).toEqual(state);
    expect(said.mock.calls.join()).toContain("Prosody has not loaded them: no configuration\n");
    said.mockRestore();
    expect(await acmeCertificateHandler.read(host, state)).toEqual({ ...state, deployed: false });
  });

  test("one that is in place already is loaded by the next up", async () => {
    const host = hostWith(pending);
    host.files.set(pendingMark, { content: "", mode: "0644", owner: "root", group: "root" });
    host.answers.set(luaScript, '[true,"Config reloaded"]\n');
    expect(await acmeCertificateHandler.update(host, { ...state, deployed: false }, inputs)).toEqual(state);
    expect(host.files.has(pendingMark)).toBe(false);
    expect(ran(host)).toEqual([]);
  });
});

test("a new one is asked for with all names, and brought to Prosody", async () => {
  const host = hostWith(now("2026-02-01"));
  await acmeCertificateHandler.create(host, inputs);
  expect(ran(host)).toEqual(["daemon-reload", "certbot certonly"]);
  const script = host.changes.find((each) => each.includes("certonly"))!;
  expect(script).toContain(
    " --server https://ca/dir --standalone --preferred-challenges http --cert-name example.test ",
  );
  expect(script).toContain(" --keep-until-expiring -d example.test -d upload.example.test ");
  expect(host.files.get("/etc/letsencrypt/renewal-hooks/deploy/prosody-pulumi-example.test")).toMatchObject({
    content: inputs.hook,
    mode: "0755",
  });
});

test("drift of each part is read under its name", async () => {
  const read = async (text: string) => {
    const found = await acmeCertificateHandler.read(hostWith(text), state);
    return Object.entries(found!).filter(
      ([name, value]) => JSON.stringify(value) !== JSON.stringify(state[name as keyof typeof state]),
    );
  };
  expect(await read(good)).toEqual([]);
  expect(await read(now("2026-02-01") + row({ deployed: "no" }))).toEqual([["deployed", false]]);
  expect(await read(now("2026-02-01") + row({ hook: "x" }))).toEqual([["hook", "x"]]);
  expect(await read(now("2026-02-01") + row({ retried: "no" }))).toEqual([["hook", ""]]);
  expect(await read(now("2026-02-01") + row({ directory: "https://other/" }))).toEqual([
    ["directory", "https://other/"],
  ]);
  expect(await read(`${good}ca ${base64("CA")}\n`)).toEqual([["ca", "CA"]]);
  expect(await read(now("2026-03-20") + row())).toEqual([
    [
      "overdue",
      expect.stringMatching(/^it expires in 12 days \(2026-04-01\) and was not renewed: see journalctl/),
    ],
  ]);
  expect(await acmeCertificateHandler.read(hostWith(now("2026-02-01")), state)).toBeUndefined();
});

test.each<[string, string, Partial<AcmeCertificateInputs>, string[], RegExp]>([
  ["overdue", now("2026-03-20") + row(), {}, ["certbot certonly"], /--force-renewal/],
  [
    "of another authority",
    now("2026-02-01") + row({ directory: "https://other/" }),
    {},
    ["certbot certonly"],
    /--force-renewal/,
  ],
  [
    "with other names",
    good,
    { names: ["example.test"] },
    ["certbot certonly"],
    /--keep-until-expiring -d example.test 2>/,
  ],
  [
    "not brought to Prosody",
    now("2026-02-01") + row({ deployed: "no" }),
    {},
    ["RENEWED_LINEAGE"],
    /prosody-pulumi-example.test$/,
  ],
  [
    "with another address",
    good,
    { email: "b@example.test" },
    ["certbot update_account"],
    /--email b@example.test/,
  ],
])("one %s is put right by one step", async (_what, before, change, steps, detail) => {
  const host = hostWith(before);
  await acmeCertificateHandler.update(host, state, { ...inputs, ...change });
  expect(ran(host)).toEqual(steps);
  expect(host.changes.at(-1)).toMatch(detail);
});

test("a refusal tells the authority's reason and what to do, one of several certificates fails alone", async () => {
  const host = hostWith(now("2026-02-01"));
  host.answers.set("/certbot certonly/", (_input, script) =>
    script.includes("-d bad.test")
      ? { code: 1, stdout: 'Requesting a certificate\nSome reason\n\n==\n"detail": "no A record"\n' }
      : "",
  );
  host.answers.set(lineages.script, good);
  const bad = { ...inputs, domain: "bad.test", names: ["bad.test"] };
  const [failed, fine] = await Promise.allSettled([
    acmeCertificateHandler.create(host, bad),
    acmeCertificateHandler.create(host, inputs),
  ]);
  expect((failed as PromiseRejectedResult).reason.message).toBe(
    'the authority gave no certificate for bad.test; the one before, if any, stays in service.\n  Some reason\n  "detail": "no A record"\n' +
      "Fix: See that each of bad.test leads to this host in the DNS, and that its port 80 can be reached from the internet, then run this again.",
  );
  expect(fine.status).toBe("fulfilled");
});

test("a taken port 80 is told as such", () =>
  expect(reasonOf({ stdout: "Could not bind TCP port 80 because it is already in use" }, inputs)).toMatch(
    /Fix: Stop what uses port 80 on the host, then run this again\.$/,
  ));

test.each([
  ['"type": "urn:ietf:params:acme:error:rateLimited"', "Wait until the time that the authority names"],
  [
    "[SSL: CERTIFICATE_VERIFY_FAILED] certificate is not yet valid",
    "See that the clock of the host is right",
  ],
  [
    "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='acme.example', port=443): Max retries exceeded with url: /directory (Caused by NameResolutionError(\"Failed to resolve 'acme.example'\"))",
    "The host does not reach ca. See to its resolver",
  ],
  [
    "ValueError: Requesting ca:444/dir: Permission denied",
    "Something on the host keeps certbot from connecting",
  ],
  ["requests.exceptions.ReadTimeout: read timed out", "The host does not reach ca. See to its resolver"],
])("%s is no fault of the DNS", (said, fix) =>
  expect(reasonOf({ stdout: `x\n==\n${said}` }, inputs)).toContain(`Fix: ${fix}`),
);

test.each([
  ["2026-01-02", ""],
  ["2026-03-13", ""],
  ["2026-03-15", "it expires in 17 days"],
  ["2026-05-01", "it has expired"],
])("on %s: %s", (date, reason) => {
  const lineage = { begins: "2026-01-01", expires: "2026-04-01", isPair: true } as Lineage;
  expect(lateness(lineage, Date.parse(date))).toMatch(reason === "" ? /^$/ : new RegExp(`^${reason} `));
  expect(lateness({ ...lineage, isPair: false }, Date.parse(date))).toBe("its key does not belong to it");
});

test("a wildcard that can't be had over port 80 is told as such", () =>
  expect(
    reasonOf(
      { stdout: "You may need to use an authenticator plugin that can do challenges over DNS." },
      inputs,
    ),
  ).toMatch(
    /Fix: The certificate has a wildcard, for others on the host\. Have it made for example\.test, upload/,
  ));

test("names and addresses that certbot would take for options never get there", () => {
  expect(acmeCertificateHandler.check!(inputs)).toEqual([]);
  const problems = acmeCertificateHandler.check!({
    ...inputs,
    names: ["-x"],
    email: "--x",
    directory: "ftp://x",
  });
  expect(problems.map(({ property }) => property)).toEqual(["names", "email", "directory"]);
});

test("whom to trust is not taken for told where the disk had no room for it", async () => {
  const host = hostWith(good);
  await acmeCertificateHandler.update(host, state, { ...inputs, ca: "an authority" });
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-trust-"));
  const own = path.join(scratch, path.basename(caFiles.own));
  try {
    fs.mkdirSync(path.join(scratch, "systemd"));
    fs.writeFileSync(own, "an authority");
    const script = host.changes
      .find((each) => each.includes("REQUESTS_CA_BUNDLE=%s"))!
      .replaceAll("/etc/letsencrypt", scratch)
      .replaceAll("/etc/systemd/system", path.join(scratch, "systemd"))
      .replace("systemctl daemon-reload", ":");
    const run = (room: string) =>
      spawnSync("sh", ["-c", `trap '' XFSZ; ulimit -f ${room}; ${script}`]).status;
    expect(run("unlimited")).toBe(0);
    expect(run("0")).not.toBe(0);
    expect(fs.existsSync(own)).toBe(false);
  } finally {
    fs.rmSync(scratch, { recursive: true });
  }
});

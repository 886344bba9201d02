import { matches, verifier } from "../../../providers/scram";

const salt = "8b3a4c1e-7f60-4d2b-9a55-0c6f1e2d3b4a";

/** What Prosody 0.12.3 and 13.0.1 both made with this salt. */
const stored: [password: string, iterations: number, storedKey: string, serverKey: string][] = [
  ["pencil", 10_000, "31b80060b812527d42dfd4cdb8b75733ae8f763d", "e79f5a4711a2d182606e48a5a62d651178bae6e9"],
  [
    `q"u'o\\t<b>&amp; 🦊`, // the fox is younger than the tables of SASLprep
    10_000,
    "4c4ab4dd13aea1eec457fa6765d3a433c15fb11c",
    "3509c54dc998d5d288b0c90d64379fa53562eee0",
  ],
  ["ª\u00a0Ⅸ", 4096, "498e1303a2173bc268be2598586948540c7c8857", "5f3da4974f9bd0779641e856af474c26f07af81d"],
  [
    "Paßwort",
    10_000,
    "68d8837eff9e2ab00688c62d8e31c2a34bfdd3ec7649988fb33c86e57b123658",
    "fbe0e06318ebe3760582e33fd23228223bee916c6387d8b53081ababcd943486",
  ],
];

test.each(stored)(
  "%s matches what Prosody stores of it",
  async (password, iterations, storedKey, serverKey) => {
    const known = { salt, iterations, storedKey, serverKey };
    expect(await matches(password, known)).toBe(true);
    expect(await matches(`${password}.`, known)).toBe(false);
    expect(await matches(password, { ...known, iterations: iterations + 1 })).toBe(false);
    expect(await matches(password, { ...known, salt: `${salt}0` })).toBe(false);
    expect(await matches(password, { ...known, storedKey: known.storedKey.replace(/^./, "x") })).toBe(false);
    expect(await matches(password, { ...known, serverKey: known.serverKey.replace(/^./, "x") })).toBe(false);
  },
);

test("what SASLprep makes the same matches", async () => {
  expect(
    await matches("a IX", { salt, iterations: 4096, storedKey: stored[2]![2], serverKey: stored[2]![3] }),
  ).toBe(true);
});

test("a password that SASLprep forbids matches nothing, and has no verifier", async () => {
  const [, iterations, storedKey, serverKey] = stored[0]!;
  expect(await matches("pencil\u0007", { salt, iterations, storedKey, serverKey })).toBe(false);
  await expect(verifier("pencil\u0007")).rejects.toEqual(
    new Error(
      "The password has characters that SASLprep (RFC 4013) forbids; choose another in prosody:storage.",
    ),
  );
});

test.each(["sha1", "sha256"] as const)("a verifier of its own making matches, with %s", async (hash) => {
  const one = await verifier("pencil", hash);
  expect(one).toEqual({
    salt: expect.stringMatching(/^[0-9a-f-]{36}$/),
    iterations: 10_000,
    storedKey: expect.stringMatching(hash === "sha1" ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/),
    serverKey: expect.stringMatching(hash === "sha1" ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/),
  });
  expect(await matches("pencil", one)).toBe(true);
  expect((await verifier("pencil", hash)).salt).not.toBe(one.salt);
});

test("hashing leaves the main thread free", async () => {
  let ticks = 0;
  const timer = setInterval(() => {
    ticks++;
  }, 1);
  await verifier("pencil", "sha256", 1_000_000);
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(5);
});

import { matches, textOf, verifier } from "../../../providers/scram";

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

const text = (given: string, iterations: number, storedKey: string, serverKey: string) =>
  textOf({
    salt: Buffer.from(given),
    iterations,
    storedKey: Buffer.from(storedKey, "hex"),
    serverKey: Buffer.from(serverKey, "hex"),
  });

test("a verifier is written as PostgreSQL does", () => {
  expect(text(salt, 10_000, stored[0]![2], stored[0]![3])).toBe(
    "SCRAM-SHA-1$10000:OGIzYTRjMWUtN2Y2MC00ZDJiLTlhNTUtMGM2ZjFlMmQzYjRh$MbgAYLgSUn1C39TNuLdXM66Pdj0=:559aRxGi0YJgbkilpi1lEXi65uk=",
  );
  expect(text(salt, 10_000, stored[3]![2], stored[3]![3])).toMatch(/^SCRAM-SHA-256\$/);
});

test.each(stored)(
  "%s matches what Prosody stores of it",
  async (password, iterations, storedKey, serverKey) => {
    const known = text(salt, iterations, storedKey, serverKey);
    const other = (key: string) => key.replace(/^./, "0");
    expect(await matches(password, known)).toBe(true);
    expect(await matches(`${password}.`, known)).toBe(false);
    expect(await matches(password, text(salt, iterations + 1, storedKey, serverKey))).toBe(false);
    expect(await matches(password, text(`${salt}0`, iterations, storedKey, serverKey))).toBe(false);
    expect(await matches(password, text(salt, iterations, other(storedKey), serverKey))).toBe(false);
    expect(await matches(password, text(salt, iterations, storedKey, other(serverKey)))).toBe(false);
    expect(await matches(password, "plain text")).toBe(false);
  },
);

test("what SASLprep makes the same matches", async () => {
  expect(await matches("a IX", text(salt, 4096, stored[2]![2], stored[2]![3]))).toBe(true);
});

test("a password that SASLprep forbids matches nothing, and has no verifier", async () => {
  const [, iterations, storedKey, serverKey] = stored[0]!;
  expect(await matches("pencil\u0007", text(salt, iterations, storedKey, serverKey))).toBe(false);
  await expect(verifier("pencil\u0007")).rejects.toEqual(
    new Error(
      "The password has characters that SASLprep (RFC 4013) forbids; choose another in prosody:storage.",
    ),
  );
});

test.each(["sha1", "sha256"] as const)("a verifier of its own making matches, with %s", async (hash) => {
  const one = await verifier("pencil", hash);
  const base64 = "[0-9A-Za-z+/]+=*";
  const name = hash === "sha1" ? "SCRAM-SHA-1" : "SCRAM-SHA-256";
  expect(one).toMatch(new RegExp(`^${name}\\$10000:${base64}\\$${base64}:${base64}$`));
  const saltOf = (known: string) => Buffer.from(known.split(/[$:]/)[2]!, "base64").toString();
  expect(saltOf(one)).toMatch(/^[0-9a-f-]{36}$/);
  expect(await matches("pencil", one)).toBe(true);
  expect(saltOf(await verifier("pencil", hash))).not.toBe(saltOf(one));
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

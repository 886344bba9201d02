import { createHash } from "node:crypto";
import { root } from "../../config/root";
import { down, type HostOptions, type LabHost, up } from "../../lab";

export { type CertificateFiles as Certificate, certificate, type LabHost, type Release } from "../../lab";

const made: string[] = [];

/** Keeps the hosts of two clones on one machine apart. */
const clone = createHash("sha256").update(root).digest("hex").slice(0, 4);

/**
 * A fresh lab host for one test file, taken down when the file is done. Its package cache is filled, so that no
 * mirror is asked. To be called in a `beforeAll` with a generous timeout: the first call on a machine makes the
 * base tree. Where the lab can't run, the tests fail with its reason.
 * @param name unique among the test files
 */
export async function lab(name: string, options: HostOptions = {}): Promise<LabHost> {
  const unique = `test-${clone}-${name}`;
  made.push(unique);
  await down(unique); // what a killed run left
  return up(unique, { prepared: true, ...options });
}

afterAll(async () => {
  if (made.length > 0) await down(...made);
}, 60_000);

import { createHash } from "node:crypto";
import { root } from "../../config/root";
import {
  type CertificateFiles,
  down,
  type HostOptions,
  type LabHost,
  type Release,
  releases,
  up,
} from "../../lab";

export { type CertificateFiles as Certificate, certificate, type LabHost, type Release } from "../../lab";

/** A certificate of the lab as the stack config has it, below its domain. */
export const filesOf = ({ certificateFile, keyFile, intermediateFile }: CertificateFiles) => ({
  certificate: certificateFile,
  keyFile,
  intermediates: [intermediateFile],
});

const made: string[] = [];

/** Keeps the hosts of two clones on one machine apart, as `sudo-` those of two projects of jest that run at once. */
const clone = createHash("sha256").update(root).digest("hex").slice(0, 4);

/**
 * The lab's releases that suites run on. `PROSODY_TEST_ONCE` leaves one of them, to save time; suites that take
 * `everywhere` (distribution.ts) run on every release all the same.
 */
export const allReleases: Release[] = process.env.PROSODY_TEST_ONCE ? ["trixie"] : [...releases];

/**
 * A fresh lab host for one test file, taken down when the file is done. Its package cache is filled, so that no
 * mirror is asked. To be called in a `beforeAll` with a generous timeout: the first call on a machine makes the
 * base tree. Where the lab can't run, the tests fail with its reason.
 * @param name unique among the test files; with what is put around it, it has to stay within 40 characters
 */
export async function lab(name: string, options: HostOptions = {}): Promise<LabHost> {
  const host = await fresh(name, { prepared: true, sudoPassword: throughSudo, ...options });
  if (throughSudo) {
    bastion ??= fresh(`${name}-jump`, {});
    bastions.set(host, await bastion);
  }
  return host;
}

async function fresh(name: string, options: HostOptions): Promise<LabHost> {
  const unique = `test-${clone}-${throughSudo ? "sudo-" : ""}${name}`;
  await down(unique); // what a killed run left
  made.push(unique); // only now: a name that the lab refuses would keep the others from being taken down
  return up(unique, options);
}

/** Whether hosts are to be reached as an unprivileged user, through a jump host. */
const throughSudo = process.env.PROSODY_TEST_WAY === "sudo";
let bastion: Promise<LabHost> | undefined;
const bastions = new WeakMap<LabHost, LabHost>();

/** The jump host before a host, where the suite runs through sudo. */
export const bastionOf = (host: LabHost): LabHost | undefined => bastions.get(host);

/** What sudo asks of `admin` on a host made with `sudoPassword`. */
export const sudoPassword = "lab";

/** Releases for a suite that `.ci/run` runs through sudo, too: there, one of them says enough. */
export const mainReleases = <T extends Release>(...all: T[]): T[] =>
  process.env.PROSODY_TEST_RELEASES === "one" ? all.slice(0, 1) : all;

afterAll(async () => {
  if (made.length > 0) await down(...made);
}, 60_000);

import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { acmeCertificateHandler } from "../../../providers/handlers/acme-certificate";
import { good, hostWith, state } from "../../helpers/certbot";

let root: string;
const here = (path: string) => join(root, path);
const live = "etc/letsencrypt/live/example.test";
const archived = "etc/letsencrypt/archive/example.test";

/** What certbot has of a certificate that was renewed once, and Prosody's copy, which is the one before. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "prosody-lineage-"));
  for (const directory of [live, archived, "etc/letsencrypt/renewal", "etc/prosody/certs"])
    mkdirSync(here(directory), { recursive: true });
  writeFileSync(here("etc/letsencrypt/renewal/example.test.conf"), "");
  for (const [name, end] of [
    ["fullchain", "crt"],
    ["privkey", "key"],
  ]) {
    for (const renewal of [1, 2])
      writeFileSync(here(`${archived}/${name}${renewal}.pem`), `${name}${renewal}`);
    symlinkSync(`../../archive/example.test/${name}2.pem`, here(`${live}/${name}.pem`));
    writeFileSync(here(`etc/prosody/certs/example.test.${end}`), `${name}1`);
  }
});
afterEach(() => rmSync(root, { recursive: true }));

/** Runs the script of a destroy below {@link root}, with stand-ins for what it calls. */
async function destroyHere({ tar = "command tar", certbot = true, adopted = false } = {}) {
  const host = hostWith(good);
  await acmeCertificateHandler.delete(host, { ...state, adopted });
  const script = host.changes[0]!.replaceAll(/(?<=[ "])\/(etc|var)\//g, `${root}/$1/`)
    .replace("cd /\n", `cd ${root}\n`)
    .replace("-C / ", `-C ${root} `);
  const standIns = `systemctl() { :; }; tar() { ${tar} "$@"; }; ${certbot ? "certbot() { echo certbot; }" : ":"}\n`;
  const { status, stdout } = spawnSync("sh", ["-c", standIns + script], {
    encoding: "utf8",
    env: { PATH: "/usr/bin:/bin" },
  });
  return { code: status, ran: stdout.trim() };
}

describe("a destroy", () => {
  const archive = () => {
    const { stdout } = spawnSync(
      "sh",
      ["-c", `tar -tzf ${root}/var/backups/prosody-pulumi/acme-example.test-*.tar.gz`],
      {
        encoding: "utf8",
      },
    );
    return stdout.trim().split("\n");
  };
  const isThere = () => existsSync(here(archived));
  const copies = () =>
    ["crt", "key"].filter((end) => existsSync(here(`etc/prosody/certs/example.test.${end}`)));

  test("archives what certbot has before it goes, and does not revoke it", async () => {
    expect(await destroyHere()).toEqual({ code: 0, ran: "certbot" });
    expect(archive()).toEqual(
      expect.arrayContaining([
        `${live}/privkey.pem`,
        `${archived}/privkey1.pem`,
        "etc/letsencrypt/renewal/example.test.conf",
      ]),
    );
  });

  test("deletes nothing without its archive", async () => {
    expect(await destroyHere({ tar: "false" })).toEqual({ code: 1, ran: "" });
    expect(isThere()).toBe(true);
  });

  test("goes without certbot, where it was removed by hand", async () => {
    expect(await destroyHere({ certbot: false })).toEqual({ code: 0, ran: "" });
    expect(isThere()).toBe(false);
  });

  test("goes where certbot's links are gone, and leads nowhere else than the archive", async () => {
    rmSync(here(live), { recursive: true });
    expect(await destroyHere()).toEqual({ code: 0, ran: "" });
    expect(isThere()).toBe(false);
    expect(archive()).toContain(`${archived}/privkey2.pem`);
  });

  test("goes where the links lead nowhere", async () => {
    rmSync(here(archived), { recursive: true });
    expect(await destroyHere()).toEqual({ code: 0, ran: "" });
    expect(existsSync(here(live))).toBe(false);
  });

  test("takes copies that are certbot's away, those of a renewal that was not brought, too", async () => {
    await destroyHere();
    expect(copies()).toEqual([]);
  });

  test("leaves a copy that is somebody else's, and an adopted certificate", async () => {
    writeFileSync(here("etc/prosody/certs/example.test.key"), "another's");
    expect(await destroyHere({ adopted: true })).toEqual({ code: 0, ran: "" });
    expect(copies()).toEqual(["key"]);
    expect(readFileSync(here(`${live}/privkey.pem`), "utf8")).toBe("privkey2");
  });
});

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { keyPair, settingsFor } from "../../../helpers/ssh-server";
import { directory, file, open, print, refused, server, wayOut } from "../../../helpers/ssh-tries";

jest.setTimeout(30_000); // a busy machine is no failure

describe("host keys", () => {
  const ed25519 = keyPair("ed25519", "host");
  const ecdsa = keyPair("ecdsa", "host");
  const rsa = keyPair("rsa", "host");
  const other = keyPair("ed25519", "other host");
  const pins = (...hostKeys: string[]) => ({ trust: { kind: "pinned" as const, hostKeys } });
  const known = (text: string) => ({
    trust: { kind: "knownHosts" as const, file: file("known_hosts", text) },
  });
  const firstUse = (path: string) => ({ trust: { kind: "firstUse" as const, file: path } });

  test.each([
    ["Ed25519", ed25519],
    ["ECDSA", ecdsa],
    ["RSA", rsa],
  ])("a pinned %s key is asked for, and accepted, whatever other keys the host has", async (_type, key) => {
    const { port } = await server({ hostKeys: [ed25519.private, ecdsa.private, rsa.private] });
    await open(settingsFor({ port }, pins(key.public)));
  });

  test("one of several pinned keys is enough", async () => {
    const { port } = await server();
    await open(settingsFor({ port }, pins(other.public, `${ed25519.public} root@host`)));
  });

  test("another key than the pinned one is refused, with both fingerprints", async () => {
    const { port } = await server();
    expect(await refused(settingsFor({ port }, pins(other.public)))).toBe(
      `can't connect to root@127.0.0.1:${port}: it shows the host key ssh-ed25519 ${print(ed25519.public)}, but known is ssh-ed25519 ${print(other.public)} (stack config). Either the host was installed anew, or somebody sits in between. Compare with \`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\` on the host's console; only if it is the same, put the new one into the stack config's \`hostKey\`. ${wayOut}`,
    );
  });

  test("a key of another type than the pinned one is refused with its fingerprint, too", async () => {
    const { port } = await server({ hostKeys: [ecdsa.private] });
    const message = await refused(settingsFor({ port }, pins(other.public)));
    expect(message).toContain(`it shows the host key ecdsa-sha2-nistp256 ${print(ecdsa.public)}`);
    expect(message).toContain("/etc/ssh/ssh_host_ecdsa_key.pub");
  });

  test("nobody logs in before the key is accepted", async () => {
    let logins = 0;
    const { port } = await server({
      authenticate: (context) => {
        logins++;
        context.accept();
      },
    });
    await refused(settingsFor({ port }, pins(other.public)));
    expect(logins).toBe(0);
  });

  test("a key in known_hosts is accepted; another one is refused with file and line", async () => {
    const { port } = await server();
    await open(settingsFor({ port }, known(`[127.0.0.1]:${port} ${ed25519.public}\n`)));
    const settings = settingsFor({ port }, known(`# mine\n[127.0.0.1]:${port} ${other.public}\n`));
    const path = `${directory}/known_hosts`;
    expect(await refused(settings)).toContain(
      `but known is ssh-ed25519 ${print(other.public)} (${path}, line 2). Either the host was installed anew, or somebody sits in between. Compare with \`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\` on the host's console; only if it is the same, take the old one out with \`ssh-keygen -R '[127.0.0.1]:${port}' -f ${path}\` and add the new one.`,
    );
  });

  test("of several known keys the host is asked for one of them", async () => {
    const { port } = await server({ hostKeys: [ed25519.private, ecdsa.private] });
    await open(settingsFor({ port }, known(`[127.0.0.1]:${port} ${ecdsa.public}\n* ${rsa.public}`)));
  });

  test("a host that known_hosts does not have is refused with the line to add", async () => {
    const { port } = await server();
    expect(await refused(settingsFor({ port }, known(`other.example.com ${ed25519.public}\n`)))).toContain(
      `its host key ssh-ed25519 ${print(ed25519.public)} is not in ${directory}/known_hosts. Compare with \`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\` on the host's console; if it is the same, add this line to the file: [127.0.0.1]:${port} ${ed25519.public}.`,
    );
  });

  test("a revoked key is refused, even if it is known as well", async () => {
    const { port } = await server();
    const text = `[127.0.0.1]:${port} ${ed25519.public}\n@revoked * ${ed25519.public}\n`;
    expect(await refused(settingsFor({ port }, known(text)))).toContain(
      `it shows ssh-ed25519 ${print(ed25519.public)}, which ${directory}/known_hosts marks as revoked: do not connect.`,
    );
  });

  test("a missing known_hosts file is an error", async () => {
    const trust = { kind: "knownHosts" as const, file: `${directory}/none` };
    expect(await refused(settingsFor({ port: 1 }, { trust }))).toContain(
      `the known_hosts file ${directory}/none can't be read (ENOENT).`,
    );
  });

  test("first use records the key for its owner alone, and refuses another one from then on", async () => {
    const { port } = await server();
    const recorded = `${directory}/deep/er/known_hosts`;
    await open(settingsFor({ port }, firstUse(recorded)));
    expect(readFileSync(recorded, "utf8")).toBe(`[127.0.0.1]:${port} ${ed25519.public}\n`);
    expect(statSync(recorded).mode & 0o777).toBe(0o600);
    await open(settingsFor({ port }, firstUse(recorded)));
    expect(readFileSync(recorded, "utf8").split("\n")).toHaveLength(2);
    writeFileSync(recorded, `[127.0.0.1]:${port} ${other.public}\n`);
    expect(await refused(settingsFor({ port }, firstUse(recorded)))).toContain(
      `but known is ssh-ed25519 ${print(other.public)} (${recorded}, line 1)`,
    );
  });

  test("first use begins a line of its own, and never accepts a revoked key", async () => {
    const { port } = await server();
    const unfinished = file("unfinished", `other.example.com ${other.public}`);
    await open(settingsFor({ port }, firstUse(unfinished)));
    expect(readFileSync(unfinished, "utf8")).toBe(
      `other.example.com ${other.public}\n[127.0.0.1]:${port} ${ed25519.public}\n`,
    );
    const revoked = file("revoked", `@revoked * ${ed25519.public}\n`);
    expect(await refused(settingsFor({ port }, firstUse(revoked)))).toContain("marks as revoked");
  });
});

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Secret } from "../../../../config/secret";
import { fingerprint, parseHostKey } from "../../../../providers/ssh/known-hosts";
import { confirmedHostKey, openAsRoot } from "../../../../tools/init/host";
import {
  type Behaviour,
  end,
  keyPair,
  settingsFor,
  sshServer,
  type TestServer,
  tcpServer,
} from "../../../helpers/ssh-server";

const directory = mkdtempSync(path.join(tmpdir(), "prosody-init-host-"));
const closing: { close(): Promise<void> }[] = [];
afterEach(() => Promise.all(closing.splice(0).map((each) => each.close())));
afterAll(() => rmSync(directory, { recursive: true }));

async function server(behaviour: Behaviour = {}): Promise<TestServer> {
  const made = await sshServer(behaviour);
  closing.push(made);
  return made;
}

const [ed25519, ecdsa, rsa] = (["ed25519", "ecdsa", "rsa"] as const).map((type) => keyPair(type, "host"));
const bare = (key: { public: string }) => key.public.split(" ").slice(0, 2).join(" ");
const print = (key: { public: string }) => fingerprint(parseHostKey(key.public)!.blob);

describe("the host's key", () => {
  const known = (text?: string) => {
    const file = path.join(directory, text === undefined ? "none" : "known_hosts");
    if (text !== undefined) writeFileSync(file, text);
    return { trust: { kind: "firstUse" as const, file } };
  };

  test("accepted: the strongest is pinned, nobody logs in, and known_hosts stays as it is", async () => {
    let logins = 0;
    const authenticate: Behaviour["authenticate"] = (context) => {
      logins++;
      context.accept();
    };
    const { port } = await server({ hostKeys: [ecdsa!.private, rsa!.private], authenticate });
    expect(await confirmedHostKey(settingsFor({ port }, known()), "accept")).toBe(bare(ecdsa!));
    expect(logins).toBe(0);
    expect(existsSync(path.join(directory, "none"))).toBe(false);
  });

  test("accepted, but another than known_hosts has: refused", async () => {
    const { port } = await server({ hostKeys: [ed25519!.private] });
    const other = known(`[127.0.0.1]:${port} ${keyPair("ed25519", "other host").public}\n`);
    await expect(confirmedHostKey(settingsFor({ port }, other), "accept")).rejects.toThrow(
      `127.0.0.1: it shows the host key ssh-ed25519 ${print(ed25519!)}, but known is ssh-ed25519`,
    );
  });

  test("by its fingerprint: of any type that the host has, and of no other", async () => {
    const { port } = await server({ hostKeys: [ed25519!.private, rsa!.private] });
    const settings = settingsFor({ port }, known());
    expect(await confirmedHostKey(settings, { fingerprint: print(rsa!) })).toBe(bare(rsa!));
    await expect(confirmedHostKey(settings, { fingerprint: print(ecdsa!) })).rejects.toThrow(
      `--host-key-fingerprint ${print(ecdsa!)}: 127.0.0.1 shows ssh-ed25519 ${print(ed25519!)}, ssh-rsa ${print(rsa!)}. Either the fingerprint is another host's, or somebody sits in between. Compare with \`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\` on the host's console.`,
    );
  });

  test("a host that is down is told as such", async () => {
    const { port, close } = await tcpServer();
    await close();
    await expect(confirmedHostKey(settingsFor({ port }, known()), "accept")).rejects.toThrow(
      `can't connect to root@127.0.0.1:${port}: the connection was refused`,
    );
  });
});

describe("root", () => {
  const noQuestion = () => Promise.reject(new Error("it was asked for"));
  const asks = "1000\n/bin/sh\nsudo: a password is required\n1\n";

  /** sudo takes one password. */
  const withSudo: Behaviour = {
    probe: asks,
    exec(_command, channel) {
      channel.once("data", (data: Buffer) => {
        if (data.toString().startsWith("right\n")) end(channel, 0);
        else {
          channel.stderr.write("sudo: 1 incorrect password attempt\n");
          end(channel, 1);
        }
      });
    },
  };

  test("is who logs in as root, or whose sudo asks for nothing: no password is asked for or kept", async () => {
    const root = await openAsRoot(settingsFor(await server()), noQuestion);
    closing.push(root.host);
    expect(root.sudoPassword).toBeUndefined();
    const free = settingsFor(await server({ probe: "1000\n/bin/sh\n0\n" }), {
      user: "admin",
      sudo: { password: new Secret("needless") },
    });
    const admin = await openAsRoot(free, noQuestion);
    closing.push(admin.host);
    expect(admin.sudoPassword).toBeUndefined();
  });

  test("is who gives sudo its password: asked for until sudo takes it", async () => {
    const refusals: (string | undefined)[] = [];
    const answers = ["wrong", "right"];
    const settings = settingsFor(await server(withSudo), { user: "admin", sudo: {} });
    const { host, sudoPassword } = await openAsRoot(settings, async (refusal) => {
      refusals.push(refusal);
      return new Secret(answers.shift()!);
    });
    closing.push(host);
    expect(sudoPassword?.reveal()).toBe("right");
    expect(refusals).toEqual([undefined, expect.stringContaining("sudo refused the password of admin")]);
  });

  test("a password that was given is tried before anybody is asked", async () => {
    const settings = (password: string, port: TestServer) =>
      settingsFor(port, { user: "admin", sudo: { password: new Secret(password) } });
    const { host, sudoPassword } = await openAsRoot(settings("right", await server(withSudo)), noQuestion);
    closing.push(host);
    expect(sudoPassword?.reveal()).toBe("right");
    await expect(openAsRoot(settings("wrong", await server(withSudo)), noQuestion)).rejects.toThrow(
      /^can't connect to admin@127\.0\.0\.1:\d+: it was asked for\.$/,
    );
  });
});

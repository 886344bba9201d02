import { connect } from "node:net";
import type { AuthContext } from "ssh2";
import { Secret } from "../../../../config/secret";
import type { HostSettings } from "../../../../config/settings";
import { parseHostKey } from "../../../../providers/ssh/known-hosts";
import { sshKeyPair } from "../../../helpers/ssh-keys";
import { keyPair, settingsFor, type TestServer, tcpServer } from "../../../helpers/ssh-server";
import {
  directory,
  file,
  open,
  print,
  refused,
  server,
  tcp,
  userKey,
  wayOut,
} from "../../../helpers/ssh-tries";

jest.setTimeout(30_000); // a busy machine is no failure

describe("what the network does", () => {
  test("nothing listens there", async () => {
    const { port, close } = await tcpServer();
    await close();
    expect(await refused(settingsFor({ port }))).toBe(
      `can't connect to root@127.0.0.1:${port}: the connection was refused: nothing listens there. See whether sshd is running, and whether \`port\` is right. ${wayOut}`,
    );
  });

  test("the name does not resolve", async () => {
    expect(await refused(settingsFor({ port: 22 }, { address: "nowhere.invalid" }), 20)).toMatch(
      /^can't connect to root@nowhere\.invalid:22: the name does not resolve \((ENOTFOUND|EAI_AGAIN)\)\. See whether `address` is right and DNS works\. /,
    );
  });

  test("TCP is accepted, and nobody speaks", async () => {
    const { port } = await tcp();
    expect(await refused(settingsFor({ port }, { connectTimeout: 0.2 }))).toBe(
      `can't connect to root@127.0.0.1:${port}: it took the TCP connection, but sent no SSH greeting within 0.2 s. See whether \`port\` is sshd's, and whether the host is overloaded. ${wayOut}`,
    );
  });

  test("somebody else speaks", async () => {
    const { port } = await tcp((socket) => socket.write("220 smtp.example.com\r\n"));
    expect(await refused(settingsFor({ port }, { connectTimeout: 0.2 }))).toContain(
      "it did not finish the SSH key exchange within 0.2 s",
    );
  });

  test.each([
    ["tried three times at most", 20, 3],
    ["not tried beyond the time for it", 2, 2],
  ])("a connection that is closed before a greeting is %s", async (_, connectTimeout, tries) => {
    let taken = 0;
    const { port } = await tcp((socket) => {
      taken++;
      socket.end();
    });
    const reason = await refused(settingsFor({ port }, { connectTimeout }));
    expect(taken).toBe(tries);
    expect(reason).toContain(
      "it closed the connection before the SSH greeting was done. It may be overloaded (MaxStartups) or block this address (fail2ban, PerSourcePenalties).",
    );
  });

  /** Drops some connections like an sshd with MaxStartups, and hands the others on. */
  const busy = async ({ port }: TestServer, drops: number) => {
    let left = drops;
    return tcp((socket) => {
      if (left-- > 0) return void socket.end("Exceeded MaxStartups\r\n");
      const behind = connect(port, "127.0.0.1").on("error", () => {});
      behind.on("close", () => socket.destroy());
      socket.on("close", () => behind.destroy());
      socket.pipe(behind).pipe(socket);
    });
  };

  test("a host that drops two connections is reached by the third", async () => {
    const target = await server();
    const { port } = await busy(target, 2);
    await (await open({ ...settingsFor(target), port })).run("true", { doing: "testing" });
    expect(target.connections()).toBe(1);
  });

  test("so is one behind a jump host, and the jump host itself", async () => {
    const [target, bastion] = [await server(), await server()];
    const [front, gate] = [await busy(target, 1), await busy(bastion, 1)];
    const { sudo: _, jump: __, ...jump } = { ...settingsFor(bastion), port: gate.port };
    await (await open({ ...settingsFor(target, { jump }), port: front.port })).run("true", {
      doing: "testing",
    });
    expect([target.connections(), bastion.connections()]).toEqual([1, 2]);
  });

  test("a refused login is not tried again", async () => {
    const target = await server({ authenticate: (context) => context.reject() });
    expect(await refused(settingsFor(target))).toContain("the host refused the login of root");
    expect(target.connections()).toBe(1);
  });

  test("the login is never answered", async () => {
    const { port } = await server({ authenticate: () => {} });
    expect(await refused(settingsFor({ port }, { connectTimeout: 1.5 }))).toContain(
      "it did not answer the login of root within 1.5 s. See `journalctl -u ssh -u sshd` on the host's console",
    );
  });

  test("the session is never opened", async () => {
    const { port } = await server({ session: () => {} });
    expect(await refused(settingsFor({ port }, { connectTimeout: 1.5 }))).toContain(
      "the login of root worked, but no session: it opened no session within 1.5 s. See `journalctl -u ssh -u sshd -u systemd-logind`",
    );
  });
});

describe("login", () => {
  const accepting = (name: string) => (context: AuthContext) => {
    const key = parseHostKey(keyPair("ed25519", name).public)!.blob;
    if (context.method === "publickey" && context.key.data.equals(key)) context.accept();
    else context.reject(["publickey"]);
  };
  const encrypted = file(
    "encrypted",
    sshKeyPair("ed25519", { passphrase: "open sesame", cipher: "aes256-ctr" }).private,
  );

  test("a refused key: the error names user, keys and what the host accepts", async () => {
    const { port } = await server({ authenticate: accepting("nobody") });
    expect(await refused(settingsFor({ port }))).toBe(
      `can't connect to root@127.0.0.1:${port}: the host refused the login of root with the stack config's privateKey (${userKey}); it accepts publickey. Put the public key into ~root/.ssh/authorized_keys on the host, configure the key that is there (prosody:host.privateKeyFile), or correct prosody:host.user. ${wayOut}`,
    );
  });

  test("the ways are tried in order; one that can't be used does not stand in the way", async () => {
    const { port } = await server({ authenticate: accepting("second") });
    const privateKeyFile = file("second", keyPair("ed25519", "second").private);
    const privateKey = new Secret(keyPair("ed25519", "user").private);
    await open(settingsFor({ port }, { login: { privateKey, privateKeyFile } }));
    await open(settingsFor({ port }, { login: { privateKey: new Secret("garbage"), privateKeyFile } }));
    const third = file("third", keyPair("ed25519", "third").private);
    const message = await refused(
      settingsFor({ port }, { login: { privateKey, privateKeyFile: third, agent: `${directory}/no-agent` } }),
    );
    expect(message).toContain(
      `the host refused the login of root with the stack config's privateKey (${userKey}), then key file ${third} (ssh-ed25519 ${print(keyPair("ed25519", "third").public)}), then agent ${directory}/no-agent (Failed to connect to agent); it accepts publickey.`,
    );
  });

  test.each([
    [{ privateKeyFile: `${directory}/none` }, `Key file ${directory}/none: can't be read (ENOENT).`],
    [
      { privateKeyFile: encrypted },
      `Key file ${encrypted}: it is encrypted: set \`passphrase\`, or add it to an agent.`,
    ],
    [
      { privateKeyFile: encrypted, passphrase: new Secret("wrong") },
      `Key file ${encrypted}: the passphrase is wrong.`,
    ],
    [
      { privateKey: new Secret("garbage") },
      "The stack config's privateKey: it is no private key in OpenSSH or PEM format.",
    ],
    [
      { privateKey: new Secret(keyPair().public) },
      "The stack config's privateKey: it is a public key; the private one is needed.",
    ],
    [{}, "Set privateKeyFile, privateKey or agent."],
  ])("no way to log in: %j", async (login, reason) => {
    expect(await refused(settingsFor({ port: 1 }, { login }))).toBe(
      `can't connect to root@127.0.0.1:1: there is no key to log in with. ${reason} ${wayOut}`,
    );
  });

  test("a passphrase opens a key", async () => {
    const { port } = await server();
    const login = { privateKeyFile: encrypted, passphrase: new Secret("open sesame") };
    await open(settingsFor({ port }, { login }));
  });

  test("the agent is that of $SSH_AUTH_SOCK unless a path is given", async () => {
    const before = process.env.SSH_AUTH_SOCK;
    delete process.env.SSH_AUTH_SOCK;
    expect(await refused(settingsFor({ port: 1 }, { login: { agent: "" } }))).toContain(
      "Agent: $SSH_AUTH_SOCK is not set: start one with `eval $(ssh-agent)` and add the key with ssh-add.",
    );
    if (before !== undefined) process.env.SSH_AUTH_SOCK = before;
  });
});

describe("through a jump host", () => {
  const jumpTo = (port: number, settings: Partial<HostSettings> = {}) => {
    const { sudo: _, jump: __, ...jump } = settingsFor({ port }, { user: "jumper", ...settings });
    return { jump };
  };

  test("the host is reached, and its own key and login count", async () => {
    const target = await server({ hostKeys: [keyPair("ecdsa", "target").private] });
    const bastion = await server();
    const host = await open(settingsFor(target, jumpTo(bastion.port)));
    await host.run("true", { doing: "trying" });
    expect([bastion.connections(), target.connections(), bastion.commands]).toEqual([1, 1, []]);
    expect(await refused(settingsFor({ port: target.port }, jumpTo(bastion.port)))).toContain(
      `can't connect to root@127.0.0.1:${target.port}: it shows the host key ecdsa-sha2-nistp256`,
    );
  });

  test("an error of the jump host names it", async () => {
    const bastion = await server({ authenticate: (context) => context.reject(["publickey"]) });
    expect(await refused(settingsFor({ port: 22 }, jumpTo(bastion.port)))).toContain(
      `can't connect to root@127.0.0.1:22: the jump host jumper@127.0.0.1:${bastion.port} is in the way: the host refused the login of jumper with`,
    );
  });

  test("the jump host does not let through", async () => {
    const bastion = await server({ tunnel: (_accept, reject) => reject() });
    expect(await refused(settingsFor({ port: 22 }, jumpTo(bastion.port)))).toContain(
      `the jump host jumper@127.0.0.1:${bastion.port} does not get through to it: it refused. See whether it is up and reachable from there, and whether sshd on the jump host has AllowTcpForwarding.`,
    );
  });

  test("the jump host never answers", async () => {
    const bastion = await server({ tunnel: () => {} });
    const settings = settingsFor({ port: 22 }, { ...jumpTo(bastion.port), connectTimeout: 1.5 });
    expect(await refused(settings)).toContain("does not get through to it: no answer within 1.5 s.");
  });
});

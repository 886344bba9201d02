import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Secret } from "../../config/secret";
import type { HostSettings } from "../../config/settings";
import { paths } from "../../lab/paths";
import { osRelease } from "../../providers/facts/os-release";
import type { SshHost } from "../../providers/ssh/host";
import { type LabHost, lab } from "../helpers/lab";
import { doing, message, open, settings, until } from "../helpers/ssh";

const directory = mkdtempSync(path.join(tmpdir(), "prosody-ssh-"));
const children: ChildProcess[] = [];
let trixie: LabHost;
let bookworm: LabHost;

beforeAll(async () => {
  trixie = await lab("ssh-trixie", { sudoPassword: false });
  bookworm = await lab("ssh-bookworm", { release: "bookworm", sudoPassword: true });
}, 300_000);

afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(directory, { recursive: true });
});

/** The error of a connection attempt, which must come in well under 30 s. */
async function failure(host: LabHost, more: Partial<HostSettings> = {}): Promise<string> {
  const start = performance.now();
  const text = await message(open(host, more));
  expect(performance.now() - start).toBeLessThan(20_000);
  return text;
}

const wayOut = "Until then, `pulumi up --refresh=false` works on whatever else is in the stack.";
const password = { sudo: { password: new Secret("lab") }, user: "admin" };

/** Has sshd read a changed configuration; until it listens again, it refuses connections. */
async function reloadSshd(host: LabHost): Promise<void> {
  await host.exec("systemctl reload ssh");
  await until(async () => (await message(open(host))) === "no error");
}

describe("scripts as root", () => {
  const ways: [string, () => Promise<SshHost>][] = [
    ["root's login", () => open(trixie)],
    ["sudo without a password", () => open(trixie, { user: "admin", sudo: {} })],
    ["sudo with a password", () => open(bookworm, password)],
    ["sudo without a password, though one is set", () => open(trixie, password)],
  ];

  test.each(ways)("%s: same user, environment and input", async (_way, way) => {
    const host = await way();
    const script = 'id -un; echo "$LC_ALL $PATH"; umask; pwd; cat';
    const { stdout } = await host.run(script, { doing, input: "first\nsecond" });
    expect(stdout).toBe(
      "root\nC.UTF-8 /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n0022\n/\nfirst\nsecond",
    );
  });

  test.each(ways)(
    "%s: 200 at once, each with its own answer",
    async (_way, way) => {
      const host = await way();
      const numbers = Array.from({ length: 200 }, (_, index) => String(index));
      const results = await Promise.all(numbers.map((input) => host.run("cat", { doing, input })));
      expect(results.map(({ stdout }) => stdout)).toEqual(numbers);
    },
    60_000,
  );

  test.each(ways)(
    "%s: 5 MB of input arrive unchanged",
    async (_way, way) => {
      const host = await way();
      const input = Buffer.from(Array.from({ length: 5_000_000 }, (_, index) => (index * 31) % 256));
      const { stdout } = await host.run("sha256sum", { doing, input });
      const expected = execFileSync("sha256sum", { input, encoding: "utf8" });
      expect(stdout).toBe(expected);
    },
    30_000,
  );

  test.each(ways)("%s: one that takes too long is ended, and nothing of it is left", async (_way, way) => {
    const host = await way();
    const late = host.run("sleep 61.25 & sleep 62.25; echo never", { doing, timeout: 1 });
    expect(await message(late)).toMatch(
      /: trying was ended because it took longer than 1 s; still running: \d+ sleep 6[12]\.25, \d+ sleep 6[12]\.25\.\ncommand: sleep 61\.25 & sleep 62\.25; echo never$/,
    );
    const { stdout } = await host.run("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '", { doing });
    expect(stdout).not.toMatch(/sleep 6[12]\.25/);
  });

  test("a password is in no process's arguments or environment while sudo has it", async () => {
    const [host, watcher] = [await open(bookworm, password), await open(bookworm)];
    const secret = "x9-lab-secret";
    await bookworm.exec(`echo 'admin:${secret}' | chpasswd`);
    const other = await open(bookworm, { user: "admin", sudo: { password: new Secret(secret) } });
    const running = other.run("sleep 1; cat", { doing, input: "data" });
    const { stdout } = await watcher.run(
      "sleep .5; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; journalctl --no-pager",
      { doing },
    );
    expect(stdout).toContain("sudo");
    expect(stdout).not.toContain(secret);
    expect((await running).stdout).toBe("data");
    expect(await message(host.run("true", { doing }))).toBe(
      `${bookworm.name}: trying failed: sudo refused the password of admin. Set the right one as \`sudo.password\`.\ncommand: true`,
    );
    await bookworm.exec("echo 'admin:lab' | chpasswd");
  }, 30_000);

  test("sudo that stops asking does not get the password into the script", async () => {
    const host = await open(bookworm, password);
    await bookworm.exec("echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/now");
    expect((await host.run("cat", { doing, input: "data" })).stdout).toBe("data");
    await bookworm.exec("rm /etc/sudoers.d/now");
    expect((await host.run("cat", { doing, input: "data" })).stdout).toBe("data");
  });

  test("a host that allows one session at a time is served one by one", async () => {
    await bookworm.exec("echo 'MaxSessions 1' > /etc/ssh/sshd_config.d/test.conf");
    await reloadSshd(bookworm);
    const host = await open(bookworm, password); // tried in a second session
    await bookworm.exec("rm /etc/ssh/sshd_config.d/test.conf");
    await reloadSshd(bookworm);
    const numbers = Array.from({ length: 20 }, (_, index) => String(index));
    const results = await Promise.all(numbers.map((input) => host.run("cat", { doing, input })));
    expect(results.map(({ stdout }) => stdout)).toEqual(numbers);
  }, 30_000);

  test("more than 64 MiB of output end a script", async () => {
    const host = await open(trixie);
    expect(await message(host.run("yes prosody", { doing }))).toBe(
      `${trixie.name}: trying was ended because it printed more than 64 MiB.\ncommand: yes prosody`,
    );
    expect((await host.run("pgrep -x yes", { doing, accept: [0, 1, 127] })).stdout).toBe("");
  }, 30_000);
});

describe("a host that can't be used", () => {
  test("nobody has the address", async () => {
    const address = trixie.address.replace(/\.2$/, ".9");
    expect(await failure(trixie, { address, connectTimeout: 5 })).toMatch(
      new RegExp(
        `^can't connect to root@${address}:22: (there is no route to the host \\(EHOSTUNREACH\\)|no answer within 5 s)\\. `,
      ),
    );
  });

  test("nothing listens on the port", async () => {
    expect(await failure(trixie, { port: 2222 })).toBe(
      `can't connect to root@${trixie.address}:2222: the connection was refused: nothing listens there. See whether sshd is running, and whether \`port\` is right. ${wayOut}`,
    );
  });

  test("the key is not authorized", async () => {
    const file = path.join(directory, "refused");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
    const print = execFileSync("ssh-keygen", ["-lf", file], { encoding: "utf8" }).split(" ")[1];
    expect(await failure(trixie, { login: { privateKeyFile: file } })).toBe(
      `can't connect to root@${trixie.address}:22: the host refused the login of root with key file ${file} (ssh-ed25519 ${print}); it accepts publickey, password. Put the public key into ~root/.ssh/authorized_keys on the host, configure the key that is there (prosody:host.privateKeyFile), or correct prosody:host.user. ${wayOut}`,
    );
  });

  test("the host key changed", async () => {
    const print = (key: string) =>
      execFileSync("ssh-keygen", ["-lf", "-"], { input: key, encoding: "utf8" }).split(" ")[1];
    expect(await failure(trixie, { trust: { kind: "pinned", hostKeys: [bookworm.hostKey] } })).toContain(
      `it shows the host key ssh-ed25519 ${print(trixie.hostKey)}, but known is ssh-ed25519 ${print(bookworm.hostKey)} (stack config).`,
    );
  });

  test.each([
    ["account", "it did not answer the login of root within 2 s."],
    ["session", "the login of root worked, but no session: it opened no session within 2 s."],
  ])("PAM hangs in its %s phase", async (phase, reason) => {
    const line = `${phase} required pam_exec.so /bin/sleep 60`;
    await trixie.exec(`sed -i '1i ${line}' /etc/pam.d/sshd`);
    try {
      expect(await failure(trixie, { connectTimeout: 2 })).toContain(reason);
    } finally {
      // The lab's own login would hang as well, so this goes through the host's file system.
      execFileSync("sed", ["-i", "1d", `${paths.host(trixie.name, "root")}/etc/pam.d/sshd`]);
    }
    await open(trixie);
  });

  test("sudo asks, and there is no password; or a wrong one", async () => {
    expect(await failure(bookworm, { user: "admin", sudo: {} })).toBe(
      `can't connect to admin@${bookworm.address}:22: sudo asks for the password of admin. Set \`sudo.password\`, or put \`admin ALL=(ALL) NOPASSWD: ALL\` into /etc/sudoers.d/admin on the host. ${wayOut}`,
    );
    expect(await failure(bookworm, { user: "admin", sudo: { password: new Secret("wrong") } })).toBe(
      `can't connect to admin@${bookworm.address}:22: sudo refused the password of admin. Set the right one as \`sudo.password\`. ${wayOut}`,
    );
  });

  test("sudo wants a terminal", async () => {
    await bookworm.exec("echo 'Defaults:admin requiretty' > /etc/sudoers.d/tty");
    expect(await failure(bookworm, password)).toContain(
      "sudo wants a terminal (requiretty). Put `Defaults:admin !requiretty` into /etc/sudoers.d/admin on the host.",
    );
    await bookworm.exec("rm /etc/sudoers.d/tty");
  });

  test("the user is not in sudoers, with and without a password", async () => {
    await bookworm.exec(
      "useradd -m -s /bin/sh guest && echo 'guest:lab' | chpasswd && cp -r /home/admin/.ssh /home/guest/ && chown -R guest: /home/guest/.ssh",
    );
    const refusal =
      "sudo does not let guest run commands as root. Put `guest ALL=(ALL) NOPASSWD: ALL` into /etc/sudoers.d/guest on the host.";
    expect(await failure(bookworm, { ...password, user: "guest" })).toContain(refusal);
    await bookworm.exec("usermod -s /usr/sbin/nologin guest");
    expect(await failure(bookworm, { ...password, user: "guest" })).toContain(
      "the login shell of guest runs no commands",
    );
  });

  test("a login script prints text", async () => {
    await bookworm.exec("cp /home/admin/.bashrc /tmp/bashrc; sed -i '1i echo Welcome' /home/admin/.bashrc");
    expect(await failure(bookworm, password)).toContain(
      'a login script of admin prints text in sessions without a terminal: "Welcome\\n". Begin ~/.bashrc (or what the shell reads) with `[ -t 0 ] || return`.',
    );
    await bookworm.exec("cp /tmp/bashrc /home/admin/.bashrc");
    await open(bookworm, password);
  });
});

describe("ways to reach and log in to a host", () => {
  test("through a jump host", async () => {
    const { sudo: _, ...jump } = settings(bookworm, { user: "admin" });
    const host = await open(trixie, { jump });
    const { stdout } = await host.run('hostname; echo "$SSH_CONNECTION"', { doing });
    const [name, connection] = stdout.split("\n");
    expect(name).toBe(trixie.name);
    expect(connection).toMatch(new RegExp(` ${trixie.address} 22$`));
    const peers = await bookworm.exec(`ss -Htn state established dst ${trixie.address}`);
    expect(peers).toContain(`${trixie.address}:22`);
    await bookworm.exec("echo 'AllowTcpForwarding no' > /etc/ssh/sshd_config.d/test.conf");
    await reloadSshd(bookworm);
    expect(await failure(trixie, { jump })).toBe(
      `can't connect to root@${trixie.address}:22: the jump host admin@${bookworm.address}:22 does not get through to it: open failed. See whether it is up and reachable from there, and whether sshd on the jump host has AllowTcpForwarding. ${wayOut}`,
    );
    await bookworm.exec("rm /etc/ssh/sshd_config.d/test.conf");
    await reloadSshd(bookworm);
  }, 30_000);

  test("with an agent", async () => {
    const agent = path.join(directory, "agent");
    children.push(spawn("ssh-agent", ["-D", "-a", agent], { stdio: "ignore" }));
    await until(() => existsSync(agent));
    expect(await failure(trixie, { login: { agent } })).toContain(
      `the host refused the login of root with agent ${agent} (it has no key: add one with ssh-add).`,
    );
    const key = path.join(directory, "key-for-agent");
    execFileSync("cp", [trixie.privateKeyFile, key]);
    execFileSync("ssh-add", ["-q", key], { env: { ...process.env, SSH_AUTH_SOCK: agent } });
    await open(trixie, { login: { agent } });
    expect(await failure(trixie, { user: "nobody", login: { agent } })).toMatch(
      /the host refused the login of nobody with agent \S+ \(ssh-ed25519 SHA256:\S+\)\./,
    );
  });

  test("with a key that has a passphrase", async () => {
    const key = path.join(directory, "encrypted");
    execFileSync("cp", [trixie.privateKeyFile, key]);
    execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "open sesame", "-f", key]);
    await open(trixie, { login: { privateKeyFile: key, passphrase: new Secret("open sesame") } });
    expect(await failure(trixie, { login: { privateKeyFile: key, passphrase: new Secret("wrong") } })).toBe(
      `can't connect to root@${trixie.address}:22: there is no key to log in with. Key file ${key}: the passphrase is wrong. ${wayOut}`,
    );
  });

  test("with a known_hosts file that ssh-keygen hashed", async () => {
    const file = path.join(directory, "known_hosts");
    execFileSync(
      "sh",
      ["-c", `echo '${trixie.address} ${trixie.hostKey}' > ${file} && ssh-keygen -Hf ${file}`],
      {
        stdio: "ignore",
      },
    );
    expect(readFileSync(file, "utf8")).toMatch(/^\|1\|/);
    await open(trixie, { trust: { kind: "knownHosts", file } });
    expect(await failure(bookworm, { trust: { kind: "knownHosts", file } })).toContain(`is not in ${file}`);
  });
});

test("the distribution", async () => {
  expect(await (await open(trixie)).fact(osRelease)).toMatchObject({
    family: "debian",
    id: "debian",
    version: "13",
  });
  expect(await (await open(bookworm)).fact(osRelease)).toMatchObject({ version: "12" });
});

import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parse } from "yaml";
import { root } from "../../config/root";
import { engine } from "../../tools/engine";
import { serveZones } from "../helpers/bind";
import { certificate, type LabHost, lab, sudoPassword } from "../helpers/lab";
import { makeProject, type Run } from "../helpers/stack";
import { Terminal } from "../helpers/terminal";

const password = "canary first password";
const passphrase = "canary passphrase";

describe("npm run init", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-init-"));
  const project = path.join(directory, "project");
  const log = path.join(directory, "arguments");
  const terminals: Terminal[] = [];
  let host: LabHost;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    makeProject(project);
    fs.mkdirSync(path.join(directory, "state"));
    fs.mkdirSync(path.join(directory, "bin"));
    const found = await engine();
    // The real engine, and a note of all arguments that it is given.
    const noted = `#!/bin/sh\nprintf '%s ' "$@" >>${log}; echo >>${log}\nexec ${found.bin} "$@"\n`;
    fs.writeFileSync(path.join(directory, "bin/pulumi"), noted, { mode: 0o755 });
    const { PULUMI_CONFIG_PASSPHRASE: _, SSH_AUTH_SOCK: __, INIT_CWD: ___, ...rest } = process.env;
    env = {
      ...rest,
      PATH: [path.join(directory, "bin"), found.env.PATH].join(path.delimiter),
      PULUMI_BACKEND_URL: `file://${directory}/state`,
      PULUMI_SKIP_UPDATE_CHECK: "true",
    };
    host = await lab("init", { sudoPassword: true });
    const records = `xmpp 60 IN A ${host.address}\n_xmpp-client._tcp 60 IN SRV 5 5 5222 xmpp.example.test.\n_xmpp-server._tcp 60 IN SRV 5 5 5270 xmpp.example.test.\nturn 60 IN A 192.0.2.1`;
    await serveZones(host, [{ domain: "example.test", address: host.address, records }]);
    await host.exec(
      "systemd-run -q --unit=squatter python3 -c \"import socket,time; s=socket.create_server(('',5269)); time.sleep(9999)\"",
    );
  }, 300_000);

  afterAll(() => {
    for (const terminal of terminals) terminal.close();
    fs.rmSync(directory, { recursive: true });
  });

  /** Starts it on a terminal, with somebody who types. */
  const typed = (flags: string[] = [], more: NodeJS.ProcessEnv = {}): Terminal =>
    onTerminal(["init", "--cwd", project, "--resolver", host.address, ...flags], more);

  /** @param within a command that runs the tool */
  function onTerminal(args: string[], more: NodeJS.ProcessEnv, within: string[] = []): Terminal {
    const [program, ...rest] = [...within, process.execPath, path.join(root, "tools/run.cjs"), ...args];
    const terminal = new Terminal(program!, rest, { cwd: project, env: { ...env, ...more } });
    terminals.push(terminal);
    return terminal;
  }

  /** Runs a program without a terminal. */
  async function run(
    program: string,
    args: string[],
    input = "",
    more: NodeJS.ProcessEnv = {},
  ): Promise<Run> {
    const child = spawn(program, args, {
      cwd: project,
      env: { ...env, PULUMI_CONFIG_PASSPHRASE: passphrase, ...more },
    });
    child.stdin.end(input);
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (data) => {
        text += data;
      });
    const code = await new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)));
    return { code, text };
  }
  const tool = (args: string[], input?: string, more?: NodeJS.ProcessEnv) =>
    run(process.execPath, [path.join(root, "tools/run.cjs"), ...args], input, more);
  const pulumi = (...args: string[]) => run("pulumi", ["--non-interactive", "--color", "never", ...args]);

  const written = (stack: string) => fs.readFileSync(path.join(project, `Pulumi.${stack}.yaml`), "utf8");
  const secure = { secure: expect.stringMatching(/^v1:/) };

  test("asks root's way, and again after a login that is refused, tells what keeps the server from working, and writes what a preview takes", async () => {
    const terminal = typed();
    await terminal.answer("Name of the stack [prod]: ", "");
    await terminal.answer("Passphrase for the stack's secrets", passphrase);
    await terminal.answer("Once more: ", passphrase);
    await terminal.answer("Address of the host: ", "two words");
    await terminal.answer("Address of the host: ", host.address);
    await terminal.answer("User to log in as: root, or one with sudo [root]: ", "nobody-there");
    await terminal.answer("Private key of SSH", host.privateKeyFile);
    await terminal.answer("Is this the host's key? [y/n] ", "y");
    await terminal.answer("User to log in as: root, or one with sudo [root]: ", "");
    await terminal.answer("Private key of SSH", host.privateKeyFile);
    await terminal.answer("Domain of the addresses, such as example.com: ", "example.test");
    await terminal.answer(
      "First account, which will be the administrator's [admin@example.test]: ",
      "alice@example.test",
    );
    await terminal.answer("Its password: ", password);
    await terminal.answer("Once more: ", `${password}?`);
    await terminal.answer("Its password: ", password);
    await terminal.answer("Once more: ", password);
    await terminal.answer("Certificate: acme", "");
    await terminal.answer("E-mail address, for the authority to write to: ", "hostmaster@example.test");
    const code = await terminal.ended;
    const { text } = terminal;
    expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });

    const fingerprint = await host.exec("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2");
    expect(text).toContain(`shows the host key ssh-ed25519 ${fingerprint.trim()}.`);
    expect(text).toContain('prosody:host.address = "two words": an address has no spaces.');
    expect(text).toContain("the host refused the login of nobody-there with key file");
    expect(text).toContain("The two differ.");
    expect(text).toContain("  Debian GNU/Linux 13 (trixie): has Prosody 13.0.");
    expect(text.match(/^! Port .*/gm)).toEqual([
      "! Port 5269/tcp is taken by python3 (squatter.service). Stop it, or choose another port: pulumi config set --path prosody:ports.server PORT.",
    ]);
    const zone = /^\$ORIGIN example\.test\.\n((?:.* IN .*\n)+)/m.exec(text)![1]!;
    expect(
      zone
        .trim()
        .split("\n")
        .map((line) => line.split(/ +/).slice(0, 4).join(" ")),
    ).toEqual([
      "_xmpps-client._tcp 3600 IN SRV",
      "_xmpp-server._tcp 3600 IN SRV",
      "conference 3600 IN CNAME",
      "upload 3600 IN CNAME",
      "proxy 3600 IN CNAME",
      "turn 3600 IN CNAME",
    ]);
    expect(text).toContain(
      "! turn.example.test leads to 192.0.2.1, which is not the host. The authority asks there",
    );
    expect(text).toMatch(/Pulumi\.prod\.yaml is written\. Next:\n\n {2}pulumi up --stack prod\n/);

    expect(parse(written("prod")).config).toEqual({
      "prosody:host": { address: host.address, hostKey: host.hostKey, privateKeyFile: host.privateKeyFile },
      "prosody:domains": { "example.test": { acme: { email: "hostmaster@example.test" } } },
      "prosody:jids": { "alice@example.test": secure },
      "prosody:admins": ["alice@example.test"],
    });
    const preview = await pulumi("preview", "--stack", "prod");
    expect(preview).toEqual({ code: 0, text: expect.stringContaining("alice@example.test") });
    const stored = await pulumi("config", "get", "--stack", "prod", "--path", 'jids["alice@example.test"]');
    expect(stored).toEqual({ code: 0, text: `${password}\n` });
  }, 240_000);

  test("asks for sudo's password where sudo asks for it, and what is stored logs in", async () => {
    const flags = [
      "--private-key-file",
      host.privateKeyFile,
      "--domain",
      "example.test",
      "--certificate",
      "selfSigned",
    ];
    const terminal = typed([...flags, "--stack", "second"], { PULUMI_CONFIG_PASSPHRASE: passphrase });
    await terminal.answer("Address of the host: ", host.address);
    await terminal.answer("User to log in as", "admin");
    await terminal.answer("Is this the host's key? [y/n] ", "y");
    await terminal.answer("Password of admin, for sudo: ", `${sudoPassword}?`);
    await terminal.answer("Password of admin, for sudo: ", sudoPassword);
    await terminal.answer("First account", "");
    await terminal.answer("Its password: ", password);
    await terminal.answer("Once more: ", password);
    const code = await terminal.ended;
    expect({ code, text: terminal.text }).toEqual({
      code: 0,
      text: expect.stringContaining("sudo does not take it."),
    });
    expect(parse(written("second")).config).toEqual({
      "prosody:host": {
        address: host.address,
        user: "admin",
        hostKey: host.hostKey,
        privateKeyFile: host.privateKeyFile,
        sudo: { password: secure },
      },
      "prosody:domains": { "example.test": { selfSigned: true } },
      "prosody:jids": { "admin@example.test": secure },
      "prosody:admins": ["admin@example.test"],
    });
    const preview = await pulumi("preview", "--stack", "second");
    expect({ code: preview.code, text: preview.text }).toEqual({ code: 0, text: expect.any(String) });
    const compare = await tool(["compare", "--stack", "second"]);
    expect(compare).toEqual({ code: 1, text: expect.stringContaining("admin@example.test") });
  }, 240_000);

  test("asks nothing of a script: it tells all that is missing, replaces nothing unasked, and takes secrets from a pipe", async () => {
    const bare = await tool(["init", "--cwd", project, "--stack", "second"]);
    expect(bare).toEqual({
      code: 2,
      text: expect.stringContaining(
        "these are missing: --address; --domain; --jid; --password-file (or PROSODY_INIT_PASSWORD); --email; --host-key, --host-key-fingerprint or --accept-host-key.",
      ),
    });
    const tls = await certificate("example.test");
    const chain = path.join(directory, "chain.crt");
    fs.writeFileSync(
      chain,
      [tls.certificateFile, tls.intermediateFile].map((file) => fs.readFileSync(file, "utf8")).join(""),
    );
    const fingerprint = (
      await host.exec("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2")
    ).trim();
    const all = Object.entries({
      cwd: project,
      stack: "second",
      address: host.address,
      user: "admin",
      "private-key-file": host.privateKeyFile,
      "host-key-fingerprint": fingerprint,
      "sudo-password-file": "-",
      domain: "example.test",
      jid: "bob@example.test",
      "password-file": "-",
      certificate: "files",
      "certificate-file": chain,
      "key-file": tls.keyFile,
      resolver: host.address,
    }).flatMap(([flag, value]) => [`--${flag}`, value]);
    const before = written("second");
    const input = `${sudoPassword}\n${password}\n`;
    const refused = await tool(["init", ...all], input);
    expect(refused).toEqual({
      code: 1,
      text: expect.stringMatching(
        /^The stack config of second has options already: .*prosody:host.* --force /m,
      ),
    });
    expect(written("second")).toBe(before);

    await host.exec("systemctl stop squatter; apt-get install -y -q --no-install-recommends prosody 2>&1");
    const { code, text } = await tool(["init", ...all, "--force"], input);
    expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
    expect(text).toMatch(/^! Prosody 13\.0\.\S+ is running on the host/m);
    expect(text).toContain("npm run compare -- --stack second");
    expect(text).toContain("  Nothing else has the ports ");
    expect(text).toContain(`! The DNS records send everybody to ${host.address}, a private address`);
    expect(parse(written("second")).config).toMatchObject({
      "prosody:domains": { "example.test": { certificate: chain, keyFile: tls.keyFile } },
      "prosody:jids": { "admin@example.test": secure, "bob@example.test": secure },
      "prosody:admins": ["admin@example.test"],
    });
    expect(await pulumi("preview", "--stack", "second")).toMatchObject({ code: 0 });
  }, 240_000);

  test("says where Pulumi could keep its state, and writes nothing after ^C", async () => {
    const nowhere = { PULUMI_BACKEND_URL: undefined, PULUMI_HOME: path.join(directory, "home") };
    const homeless = typed(["--stack", "third"], nowhere);
    await homeless.answer("In files on this machine (pulumi login --local)? [Y/n] ", "n");
    expect(await homeless.ended).toBe(1);
    expect(homeless.text).toContain(
      "Pulumi is not logged in to a place for its state: `pulumi login --local`",
    );
    const broken = typed(["--stack", "third"]);
    await broken.answer("Passphrase for the stack's secrets", "\x03");
    expect(await broken.ended).toBe(1);
    expect(broken.text).toContain("Interrupted.");
    expect(fs.existsSync(path.join(project, "Pulumi.third.yaml"))).toBe(false);
  }, 60_000);

  test("keeps the state on this machine where somebody wants that; whoever needs the passphrase later asks for it", async () => {
    const home = path.join(directory, "her-home");
    fs.mkdirSync(home);
    // Pulumi takes the user's home from here, whatever HOME says.
    const passwd = path.join(directory, "passwd");
    const users = fs.readFileSync("/etc/passwd", "utf8");
    fs.writeFileSync(passwd, users.replace(/^(root:.*:)[^:]+(:[^:]*)$/m, `$1${home}$2`));
    const hers = { PULUMI_BACKEND_URL: undefined, HOME: home };
    const atHome = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', passwd];
    const flags = Object.entries({
      stack: "fourth",
      address: host.address,
      user: "root",
      "private-key-file": host.privateKeyFile,
      "host-key": host.hostKey,
      domain: "example.test",
      jid: "alice@example.test",
      certificate: "selfSigned",
    }).flatMap(([flag, value]) => [`--${flag}`, value]);
    const terminal = onTerminal(
      ["init", "--cwd", project, "--resolver", host.address, ...flags],
      hers,
      atHome,
    );
    await terminal.answer("In files on this machine (pulumi login --local)? [Y/n] ", "");
    await terminal.answer("Passphrase for the stack's secrets", passphrase);
    await terminal.answer("Once more: ", passphrase);
    await terminal.answer("Its password: ", password);
    await terminal.answer("Once more: ", password);
    const code = await terminal.ended;
    expect({ code, text: terminal.text }).toEqual({ code: 0, text: expect.any(String) });
    expect(fs.readdirSync(path.join(home, ".pulumi/stacks/prosody"))).toContain("fourth.json");

    const compare = onTerminal(["compare", "--stack", "fourth"], hers, atHome);
    await compare.answer("Passphrase of the stack's secrets: ", passphrase);
    expect({ code: await compare.ended, text: compare.text }).toEqual({
      code: 1,
      text: expect.stringContaining("alice@example.test"),
    });
    expect(
      await tool(["compare", "--stack", "fourth"], "", { ...hers, PULUMI_CONFIG_PASSPHRASE: undefined }),
    ).toEqual({
      code: 2,
      text: "The stack's secrets need a passphrase: set PULUMI_CONFIG_PASSPHRASE_FILE or PULUMI_CONFIG_PASSPHRASE.\n",
    });
  }, 120_000);

  test("shows no secret, neither on a screen, in a file, nor in arguments", () => {
    const seen = [
      ...terminals.map(({ text }) => text),
      written("prod"),
      written("second"),
      written("fourth"),
      fs.readFileSync(log, "utf8"),
    ].join("\n");
    expect(seen).toContain('config set --stack prod --path --secret jids["alice@example.test"]');
    expect(seen).toContain('config set --stack second --path --secret host["sudo"]["password"]');
    expect(seen).not.toContain("canary");
    expect(seen).not.toMatch(new RegExp(`(: |sudo.*)${sudoPassword}$`, "m"));
  });
});

import { execFileSync, spawnSync } from "node:child_process";
import { Secret } from "../../../../config/secret";
import {
  type Access,
  parseProbe,
  probeCommand,
  rootCommand,
  rootInput,
} from "../../../../providers/ssh/root";

const login: Access = { root: "login", encode: false };
const password: Access = { root: "password", password: new Secret("open sesame"), encode: false };
const environment =
  "env PROSODY_PULUMI_RUN=1-2 LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin timeout -k 10 70 sh -c";

const announced = "echo '\\''prosody-pulumi: script follows'\\'' >&2; ";

test.each([
  [login, `exec ${environment} '${announced}umask 022; cd /; id'`],
  [
    { root: "sudo", encode: false } as Access,
    `exec env LC_ALL=C sudo -n -- ${environment} '${announced}umask 022; cd /; id'`,
  ],
])("the command of %j", (access, command) => {
  expect(rootCommand("id", access, "1-2", 60)).toBe(command);
});

test("with a password, sudo always asks for it, and it is not in the command", () => {
  const command = rootCommand("id", password, "1-2", 60);
  expect(command).toMatch(/^exec env LC_ALL=C sudo -k -S -p '' -- env /);
  expect(command).not.toContain("sesame");
});

/** Runs a command without its sudo, as if sudo had read what it asks for. */
const pretendSudo = (script: string, input: Buffer) =>
  execFileSync("sh", ["-c", rootCommand(script, password, "1-2", 60).replace(/^.*? -- /, "")], {
    input,
    encoding: "utf8",
    stdio: ["pipe", "pipe", "ignore"],
  });

test.each(["", "data\n", "data without an end", "\n\nopen sesame\n", "prosody-pulumi: input follows\n"])(
  "the script gets %j as its input, whether sudo took the password or not",
  (data) => {
    const input = rootInput(data, password);
    expect(input.toString()).toBe(`open sesame\nprosody-pulumi: input follows\n${data}`);
    expect(pretendSudo("cat", input)).toBe(data); // sudo did not ask
    expect(pretendSudo("cat", input.subarray("open sesame\n".length))).toBe(data); // sudo asked
  },
);

test("without a password the input is the script's alone", () => {
  expect(rootInput("data", login)).toEqual(Buffer.from("data"));
  expect(rootInput(undefined, login)).toEqual(Buffer.alloc(0));
});

test("for shells that can't take several lines the command has only harmless characters", () => {
  const script = "echo one!\necho 'two\\'\ncat";
  const command = rootCommand(script, { ...login, encode: true }, "1-2", 60);
  expect(command).toMatch(/^sh -c 'eval "\$\(echo [A-Za-z0-9+/=]+ \| base64 -d\)"'$/);
  expect(
    execFileSync("sh", ["-c", command], {
      input: "three",
      encoding: "utf8",
      stdio: ["pipe", "pipe", "ignore"],
    }),
  ).toBe("one!\ntwo\\\nthree");
});

test("the probe tells user id and login shell", () => {
  const { stdout } = spawnSync("sh", ["-c", probeCommand(false)], {
    encoding: "utf8",
    env: { SHELL: "/bin/zsh", PATH: process.env.PATH },
  });
  expect(stdout).toBe(`prosody-pulumi-probe\n${process.getuid!()}\n/bin/zsh\n`);
});

test("a password given a moment ago does not hide from the probe that sudo asks", () => {
  expect(probeCommand(true)).toContain("sudo -k -n -- env true");
});

describe("the probe's answer", () => {
  const parse = (answer: string, sudo: false | { password?: Secret } = {}) =>
    parseProbe(`prosody-pulumi-probe\n${answer}`, "admin", sudo);
  const refusal = (answer: string, sudo: false | { password?: Secret } = {}) => {
    try {
      return `accepted: ${parse(answer, sudo).root}`;
    } catch (error) {
      return (error as Error).message;
    }
  };
  const secret = new Secret("open sesame");

  test("root needs no sudo", () => {
    expect(parse("0\n/bin/bash\n", false)).toEqual({ root: "login", encode: false });
  });

  test("sudo without a password is used without one, even if there is one", () => {
    expect(parse("1000\n/bin/bash\n0\n")).toEqual({ root: "sudo", encode: false });
    expect(parse("1000\n/bin/bash\n0\n", { password: secret })).toEqual({ root: "sudo", encode: false });
  });

  test("sudo that asks gets the password", () => {
    const answer = "1000\n/bin/bash\nsudo: a password is required\n1\n";
    expect(parse(answer, { password: secret })).toEqual({
      root: "password",
      password: secret,
      encode: false,
    });
  });

  test("csh and tcsh get their commands encoded", () => {
    expect(
      ["/bin/csh", "/usr/bin/tcsh", "/usr/bin/fish"].map((shell) => parse(`0\n${shell}\n`).encode),
    ).toEqual([true, true, false]);
  });

  test("a restricted shell is refused, of root, too", () => {
    for (const uid of ["0", "1000"])
      expect(refusal(`${uid}\n/bin/rbash\n0\n`)).toBe(
        "the login shell of admin is /bin/rbash, which is restricted. Give the user a normal shell (chsh -s /bin/sh admin)",
      );
    const restricted = spawnSync("bash", ["-r", "-c", rootCommand("true", login, "1-2", 60)]);
    expect(restricted.status).not.toBe(0);
  });

  test.each([
    ["no sudo wanted", "1000\n/bin/sh\n", false, "admin is not root. Set `sudo: true`, or log in as root"],
    [
      "it asks",
      "1000\n/bin/sh\nsudo: a password is required\n1\n",
      {},
      "sudo asks for the password of admin. Set `sudo.password`, or put `admin ALL=(ALL) NOPASSWD: ALL` into /etc/sudoers.d/admin on the host",
    ],
    [
      "not in sudoers",
      "1000\n/bin/sh\nadmin is not in the sudoers file.\n1\n",
      { password: secret },
      "sudo does not let admin run commands as root. Put `admin ALL=(ALL) NOPASSWD: ALL` into /etc/sudoers.d/admin on the host",
    ],
    [
      "requiretty",
      "1000\n/bin/sh\nsudo: sorry, you must have a tty to run sudo\n1\n",
      { password: secret },
      "sudo wants a terminal (requiretty). Put `Defaults:admin !requiretty` into /etc/sudoers.d/admin on the host",
    ],
    [
      "no sudo",
      "1000\n/bin/sh\nenv: 'sudo': No such file or directory\n127\n",
      {},
      "there is no sudo on the host. Install it, or log in as root",
    ],
    ["anything else", "1000\n/bin/sh\nsudo: broken\n1\n", {}, "sudo does not work: sudo: broken"],
    ["nothing at all", "1000\n/bin/sh\n1\n", {}, "sudo does not work: it said nothing"],
  ])("no way to be root: %s", (_what, answer, sudo, message) => {
    expect(refusal(answer, sudo as false | object)).toBe(message);
  });

  test("a shell that runs no commands", () => {
    expect(() => parseProbe("This account is currently not available.\n", "admin", {})).toThrow(
      new Error(
        'the login shell of admin runs no commands: it printed "This account is currently not available.\\n". Give the user a normal shell (chsh -s /bin/sh admin) and no ForceCommand',
      ),
    );
  });

  test("login scripts that print would spoil every answer", () => {
    expect(() => parseProbe("Welcome!\nprosody-pulumi-probe\n0\n/bin/sh\n", "root", false)).toThrow(
      new Error(
        'a login script of root prints text in sessions without a terminal: "Welcome!\\n". Begin ~/.bashrc (or what the shell reads) with `[ -t 0 ] || return`',
      ),
    );
  });
});

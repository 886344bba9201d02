import { SshHost } from "../../../../providers/ssh/host";
import { closeAfter, connected, locally, says } from "../../../helpers/ssh-host";
import { end, failure, settingsFor, sshServer } from "../../../helpers/ssh-server";

jest.setTimeout(30_000); // a busy machine is no failure

afterEach(() => {
  jest.restoreAllMocks();
});

const doing = "counting";
const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

describe("run", () => {
  test("hands over output, errors and exit code", async () => {
    const { host } = await connected({ exec: says("out\n", 3, "err\n") });
    expect(await host.run("script", { doing, accept: [0, 3] })).toEqual({
      code: 3,
      stdout: "out\n",
      stderr: "err\n",
    });
  });

  test("an exit code that is not accepted: the error names host, what was done, script and stderr", async () => {
    const { host } = await connected({ exec: says("out\n", 3, "first\nsecond\n") });
    expect(await failure(host.run("script one\nscript two", { doing, fix: "Count again." }))).toBe(
      "xmpp.example.com: counting failed with exit code 3.\ncommand: script one …\nfirst\nsecond\nCount again.",
    );
  });

  test.each([
    [
      "mv: cannot move: No space left on device",
      "The disk is full, or has no inodes left: see `df -h` and `df -i`",
    ],
    ["mkdir: .staged: Read-only file system", "The file system is mounted read-only"],
  ])("%s: what to do is about the disk", async (said, fix) => {
    const { host } = await connected({ exec: says("", 1, `${said}\n`) });
    const failed = await failure(host.run("script", { doing, fix: "Is Prosody installed?" }));
    expect(failed).toContain(`\n${said}\n${fix}`);
    expect(failed).not.toContain("installed");
  });

  test("a script gets a known environment, its input unchanged, and any amount of it", async () => {
    const { host } = await connected({ exec: locally });
    const script = 'echo "$LC_ALL $PATH $(umask) $(pwd)"; cat';
    const input = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => 65 + (index % 23)));
    const { stdout } = await host.run(script, { doing, input });
    const [first, rest] = [stdout.slice(0, stdout.indexOf("\n")), stdout.slice(stdout.indexOf("\n") + 1)];
    expect(first).toBe("C.UTF-8 /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin 0022 /");
    expect(rest === input.toString()).toBe(true);
  });

  test("a script that does not read its input is no problem", async () => {
    const { host } = await connected({ exec: locally });
    const { stdout } = await host.run("echo done", { doing, input: "x".repeat(3_000_000) });
    expect(stdout).toBe("done\n");
  });

  test("what a script's input takes over a slow link is no time of its own", async () => {
    const { host } = await connected({ exec: locally });
    const options = { doing, timeout: 1, input: "x".repeat(24_000) };
    expect((await host.run("sleep 1.5; wc -c", options)).stdout.trim()).toBe("24000");
  });

  test("nor is what its output takes, as long as that comes", async () => {
    const { host } = await connected({ exec: locally });
    const line = "head -c 8000 /dev/zero | tr '\\0' x";
    const { stdout } = await host.run(`${line}; sleep 2; ${line}; sleep 2; echo`, { doing, timeout: 3 });
    expect(stdout).toHaveLength(16_001);
    expect(await failure(host.run(`${line}; sleep 9.5; echo`, { doing, timeout: 1 }))).toContain(
      "was ended because it took longer than 2 s",
    );
  });

  test("a script that takes too long is ended with all that it started, and the error says what that was", async () => {
    const { host } = await connected({ exec: locally });
    const message = await failure(host.run("sleep 61.5 & sleep 62.5; echo never", { doing, timeout: 1 }));
    expect(message).toMatch(
      /^xmpp\.example\.com: counting was ended because it took longer than 1 s; still running: \d+ sleep 6[12]\.5, \d+ sleep 6[12]\.5\.\ncommand: sleep 61\.5 & sleep 62\.5; echo never$/,
    );
    const { stdout } = await host.run("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '", { doing });
    expect(stdout).not.toMatch(/sleep 6[12]\.5/);
  });

  test("a process in the background that keeps the output open does not keep the script from ending", async () => {
    const { host } = await connected({
      exec: (_command, channel) => {
        channel.write("started\n");
        channel.exit(0); // and no end
      },
    });
    expect(await host.run("daemon &", { doing })).toEqual({ code: 0, stdout: "started\n", stderr: "" });
  });

  test("a signal is told as such", async () => {
    const { host } = await connected({
      exec: (_command, channel) => {
        channel.exit("KILL");
        channel.end();
      },
    });
    expect(await failure(host.run("script", { doing }))).toBe(
      "xmpp.example.com: counting was ended by SIGKILL.\ncommand: script",
    );
  });

  test("at most four sessions are open at once, and the others come in order", async () => {
    let open = 0;
    let most = 0;
    const started: string[] = [];
    const { host } = await connected({
      exec: (command, channel) => {
        most = Math.max(most, ++open);
        started.push(/n=(\d+)/.exec(command)![1]!);
        setTimeout(() => {
          open--;
          end(channel, 0);
        }, 1);
      },
    });
    await Promise.all(Array.from({ length: 200 }, (_, index) => host.run(`n=${index}`, { doing })));
    expect(most).toBe(4);
    expect(started).toEqual(Array.from({ length: 200 }, (_, index) => String(index)));
  });

  test("a session that the host refuses for now is asked for again", async () => {
    let refusals = 0;
    const { host } = await connected({
      exec: says("done\n"),
      session: (accept, reject) => (refusals++ > 0 && refusals < 5 ? reject() : accept()),
    });
    expect((await host.run("script", { doing })).stdout).toBe("done\n");
    expect(refusals).toBe(5);
  });
});

describe("a host that allows one session", () => {
  test("is served one by one, however long a script has it", async () => {
    const now = performance.now.bind(performance);
    jest.spyOn(performance, "now").mockImplementation(() => 8 * now());
    let sessions = 0;
    let isTaken = false;
    const { host, server } = await connected({
      session: (accept, reject) => {
        if (isTaken) return reject();
        isTaken = sessions++ > 0; // the first one is the probe's
        accept();
      },
      exec: (command, channel) => {
        const end = () => {
          isTaken = false;
          says("done\n")(command, channel);
        };
        setTimeout(end, command.includes("long") ? 2500 : 0);
      },
    });
    const all = await Promise.all(["long", "short", "short"].map((script) => host.run(script, { doing })));
    expect(all.map(({ stdout }) => stdout)).toEqual(["done\n", "done\n", "done\n"]);
    expect(server.connections()).toBe(1);
  });
});

describe("a lost connection", () => {
  test("an idle one is made again", async () => {
    const { host, server } = await connected({ exec: says("done\n") });
    server.drop();
    await settle();
    expect((await host.run("script", { doing })).stdout).toBe("done\n");
    expect(server.connections()).toBe(2);
  });

  test("a script that can't have started is started on a new one", async () => {
    let sessions = 0;
    const { host, server } = await connected({
      exec: says("done\n"),
      session: (accept) => (++sessions === 2 ? server.drop() : accept()),
    });
    expect((await host.run("script", { doing })).stdout).toBe("done\n");
    expect([server.connections(), server.commands.length]).toEqual([2, 1]);
  });

  // What the step would have to say of its own failures has nothing to do with these.
  const fix = "Is Prosody installed?";

  test("a script that may have started is never run again", async () => {
    const { host, server } = await connected({
      exec: (_command, _channel, connection) => connection.end(),
    });
    expect(await failure(host.run("script", { doing, fix }))).toBe(
      "xmpp.example.com: counting was cut off (the host closed the connection); it is not known how far it came.\ncommand: script",
    );
    expect(server.commands).toHaveLength(1);
  });

  test("nor is one of which that is not known", async () => {
    const { host, server } = await connected({ unanswered: (connection) => connection.end() });
    expect(await failure(host.run("script", { doing, fix }))).toBe(
      "xmpp.example.com: counting may not have begun: the host closed the connection. See on the host whether it did.\ncommand: script",
    );
    expect(server.commands).toHaveLength(1);
  });

  test("it is made again once, not for ever", async () => {
    let sessions = 0;
    const { host, server } = await connected({
      session: (accept) => {
        if (++sessions % 2 === 1)
          accept(); // the probe
        else server.drop();
      },
    });
    expect(await failure(host.run("script", { doing, fix }))).toBe(
      "xmpp.example.com: counting was not begun: the host opened no session (the host closed the connection).\ncommand: script",
    );
    expect(server.connections()).toBe(2);
  });

  test("callers at the same time share one attempt, and its failure for ten seconds", async () => {
    let logins = 0;
    const server = closeAfter(
      await sshServer({
        authenticate: (context) => {
          logins++;
          context.reject(["publickey"]);
        },
      }),
    );
    const host = new SshHost("xmpp.example.com", settingsFor(server));
    const all = Array.from({ length: 100 }, () => host.run("script", { doing }));
    const errors = await Promise.all(all.map(failure));
    errors.push(await failure(host.run("script", { doing })));
    expect(new Set(errors).size).toBe(1);
    expect([server.connections(), logins]).toEqual([1, 1]);
  });
});

test("facts and groups work over the connection", async () => {
  const { host, server } = await connected({ exec: says("42\n") });
  const fact = { name: "the answer", script: "cat /answer", parse: (text: string) => Number(text) };
  expect(await Promise.all([host.fact(fact), host.fact(fact)])).toEqual([42, 42]);
  expect(server.commands).toHaveLength(1);
  await host.run("change it", { doing, changes: true });
  expect(await host.fact(fact)).toBe(42);
  expect(server.commands).toHaveLength(3);
  expect(await host.group("items", 1, async (items: number[]) => items.map((item) => item + 1))).toBe(2);
  await host.fact(fact);
  expect(server.commands).toHaveLength(4);
  const broken = {
    ...fact,
    name: "nonsense",
    parse: () => {
      throw new Error("no number");
    },
  };
  expect(await failure(host.fact(broken))).toBe("xmpp.example.com: nonsense can't be understood: no number");
});

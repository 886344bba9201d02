import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { root } from "../../config/root";
import { Connection } from "../../providers/ssh/connection";
import { readFiles, removeFiles, writeFiles } from "../../providers/ssh/files";
import { type LabHost, lab } from "../helpers/lab";
import { doing, message, open, until } from "../helpers/ssh";

const children: ChildProcess[] = [];
let trixie: LabHost;

beforeAll(async () => {
  trixie = await lab("connection-trixie");
}, 300_000);

afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
});

describe("a connection that breaks", () => {
  /** Ends every SSH session of the host but the one that does it. */
  const cut = (host: LabHost) =>
    host.exec("for pid in $(pgrep -f '^sshd.*@notty'); do [ $pid = $PPID ] || kill -KILL $pid || true; done");

  test("in the middle of a script: told at once, not run again; the next script has a new connection", async () => {
    const host = await open(trixie);
    const running = message(host.run("echo run >> /tmp/runs; sleep 20", { doing }));
    await until(async () => (await trixie.exec("cat /tmp/runs || true")) === "run\n");
    const start = performance.now();
    await cut(trixie);
    expect(await running).toMatch(
      /: trying was cut off \(.+\); it is not known how far it came\.\ncommand: echo run >> \/tmp\/runs; sleep 20$/,
    );
    expect(performance.now() - start).toBeLessThan(5000);
    expect((await host.run("cat /tmp/runs", { doing })).stdout).toBe("run\n");
  }, 30_000);

  test("while idle: nobody notices", async () => {
    const host = await open(trixie);
    await cut(trixie);
    expect((await host.run("echo there", { doing })).stdout).toBe("there\n");
  });

  test("for a reboot: told at once, and the host is there again afterwards", async () => {
    const host = await open(trixie);
    const start = performance.now();
    const reboot = message(host.run("systemctl reboot; sleep 60", { doing }));
    expect(await reboot).toContain("was cut off");
    expect(performance.now() - start).toBeLessThan(20_000);
    await until(async () => (await message(open(trixie, { connectTimeout: 2 }))) === "no error", 60);
    await until(async () => (await message(host.run("true", { doing }))) === "no error", 20);
  }, 120_000);

  test("a host that freezes is given up after 20 s, not after the script's own time", async () => {
    const host = await open(trixie);
    const running = message(host.run("sleep 300", { doing, timeout: 300 }));
    await until(async () => (await trixie.exec("pgrep -x sleep || true")) !== "");
    const start = performance.now();
    await trixie.exec("for pid in $(pgrep -f '^sshd.*@notty'); do [ $pid = $PPID ] || kill -STOP $pid; done");
    expect(await running).toContain("was cut off (no answer for 20 s); it is not known how far it came.");
    expect(performance.now() - start).toBeLessThan(29_000);
    await trixie.exec(
      "pkill -KILL -x sleep; for pid in $(pgrep -f '^sshd.*@notty'); do [ $pid = $PPID ] || kill -KILL $pid; done",
    );
  }, 60_000);
});

describe("files", () => {
  test("are written with mode and owner, read again, and removed; one call each", async () => {
    const host = await open(trixie);
    const big = Array.from({ length: 1 << 20 }, (_, index) =>
      String.fromCharCode(33 + ((index * 7) % 90)),
    ).join("");
    const files = [
      { path: "/etc/it's one file", content: "a\nb\n\n", mode: "0640", owner: "root", group: "admin" },
      {
        path: "/srv/a/b/big",
        content: big,
        mode: "0600",
        owner: "admin",
        group: "root",
        makeDirectories: true,
      },
      { path: "/etc/empty", content: "", mode: "4755", owner: "root", group: "root" },
      { path: "/etc/no-newline", content: "ünïcode ☃", mode: "0444", owner: "root", group: "root" },
    ];
    await writeFiles(host, files);
    const found = await readFiles(host, [...files.map((file) => file.path), "/etc/none"]);
    for (const { path, makeDirectories: _, ...file } of files) expect(found.get(path)).toEqual(file);
    expect(found.get("/etc/none")).toBeUndefined();
    const paths = files.map((file) => file.path);
    await removeFiles(host, [...paths, "/etc/none"]);
    expect([...(await readFiles(host, paths)).values()]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("all or none are written, and nothing is left behind", async () => {
    const host = await open(trixie);
    const file = { path: "/etc/one", content: "old", mode: "0644", owner: "root", group: "root" };
    await writeFiles(host, [file]);
    const second = { ...file, path: "/etc/two" };
    for (const [wrong, reason] of [
      [{ ...second, owner: "nobody-here" }, "invalid user"],
      [{ ...second, path: "/no/directory" }, "No such file or directory"],
      [{ ...second, path: "/etc/ssh" }, "/etc/ssh is a directory"],
    ] as const) {
      expect(await message(writeFiles(host, [{ ...file, content: "new" }, wrong]))).toContain(reason);
      expect((await readFiles(host, ["/etc/one"])).get("/etc/one")?.content).toBe("old");
    }
    const { stdout } = await host.run("find / -xdev -name '.new.*'", { doing });
    expect(stdout).toBe("");
  });

  test("a reader sees the old file or the new one, never anything between", async () => {
    const [host, reader] = [await open(trixie), await open(trixie)];
    const file = { path: "/etc/swapped", mode: "0644", owner: "root", group: "root" };
    const contents = ["a".repeat(200_000), "b".repeat(200_000)];
    await writeFiles(host, [{ ...file, content: contents[0]! }]);
    const reading = reader.run("for i in $(seq 200); do md5sum < /etc/swapped; done | sort -u | wc -l", {
      doing,
    });
    for (let count = 0; count < 20; count++)
      await writeFiles(host, [{ ...file, content: contents[count % 2]! }]);
    expect(Number((await reading).stdout)).toBeLessThanOrEqual(2);
  }, 30_000);

  test("50 readings at once are two round trips", async () => {
    const host = await open(trixie);
    const start = jest.spyOn(Connection.prototype, "start");
    const first = readFiles(host, ["/etc/hostname"]);
    await until(() => start.mock.calls.length === 1);
    const rest = Array.from({ length: 49 }, () => readFiles(host, ["/etc/hostname", "/etc/none"]));
    const all = await Promise.all([first, ...rest]);
    expect(all.map((found) => found.get("/etc/hostname")?.content)).toEqual(
      Array(50).fill(`${trixie.name}\n`),
    );
    expect(start).toHaveBeenCalledTimes(2);
    start.mockRestore();
  });
});

describe("the provider's process", () => {
  /** Runs code in a process that knows the host `HOST` as the provider would. */
  function provider(code: string): {
    child: ChildProcess;
    ended: Promise<{ code: number | null; ms: number; text: string }>;
  } {
    const config = {
      address: trixie.address,
      hostKey: trixie.hostKey,
      privateKeyFile: trixie.privateKeyFile,
    };
    const script = `
      const { load } = require(${JSON.stringify(path.join(root, "tools/fresh.cjs"))});
      const { hosts, openHost } = load("providers/ssh/pool");
      const config = ${JSON.stringify(JSON.stringify(config))};
      const get = (key) => (key === "prosody:host" ? config : undefined);
      const use = (operation) => hosts.use("prosody", operation);
      const say = (text) => process.stdout.write(text + "\\n");
      (async () => { ${code} })();`;
    const child = spawn(process.execPath, ["-e", script], { stdio: ["pipe", "pipe", "inherit"] });
    children.push(child);
    let text = "";
    child.stdout!.on("data", (data) => {
      text += data;
    });
    const start = performance.now();
    const ended = new Promise<{ code: number | null; ms: number; text: string }>((resolve) =>
      child.on("close", (code) => resolve({ code, ms: performance.now() - start, text })),
    );
    return { child, ended };
  }

  const said = (child: ChildProcess, word: string) =>
    new Promise<void>((resolve) => {
      child.stdout!.on("data", (data) => String(data).includes(word) && resolve());
      child.on("close", () => resolve());
    });

  test("ends by itself when only idle connections are left", async () => {
    const { ended } = provider(`
      hosts.configure({ get });
      await use((host) => host.run("true", { doing: "trying" }));
      say("idle");`);
    expect(await ended).toMatchObject({ code: 0, text: "idle\n" });
  }, 60_000);

  test("ends at once at the engine's SIGINT when it is idle", async () => {
    const { child, ended } = provider(`
      hosts.configure({ get });
      await use((host) => host.run("true", { doing: "trying" }));
      setInterval(() => {}, 1000); // as the engine's connection would
      say("idle");`);
    await said(child, "idle");
    const start = performance.now();
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 0 });
    expect(performance.now() - start).toBeLessThan(1000);
  }, 60_000);

  test("ends when the engine is gone, after the operation in flight", async () => {
    const { child, ended } = provider(`
      hosts.configure({ get });
      setInterval(() => {}, 1000);
      await use(async (host) => {
        say("started");
        await host.run("sleep 1", { doing: "trying" });
        say("finished");
      });`);
    await said(child, "started");
    child.stdin!.end();
    expect(await ended).toMatchObject({ code: 0, text: "started\nfinished\n" });
  }, 60_000);

  test("lets an operation of several scripts end first; a second signal does not wait", async () => {
    const code = `
      hosts.configure({ get });
      setInterval(() => {}, 1000);
      await use(async (host) => {
        say("started");
        await host.run("sleep 1", { doing: "trying" });
        await host.run("touch /tmp/second-script", { doing: "trying" });
      });`;
    const { child, ended } = provider(code);
    await said(child, "started");
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 0 });
    await trixie.exec("rm /tmp/second-script"); // it is there

    const again = provider(code);
    await said(again.child, "started");
    again.child.kill("SIGINT");
    await new Promise((resolve) => setTimeout(resolve, 100));
    again.child.kill("SIGINT");
    expect(await again.ended).toMatchObject({ code: 130 });
  }, 60_000);
});

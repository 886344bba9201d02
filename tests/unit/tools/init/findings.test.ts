import { portFindings, prosodyFinding, type Survey, survey } from "../../../../tools/init/findings";
import { server } from "../../../fixtures/server";
import { FakeHost } from "../../../helpers/fake-host";

const debian = 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n';
const fedora = 'ID=fedora\nVERSION_ID=42\nPRETTY_NAME="Fedora Linux 42"\n';
const sockets = `config /etc/turnserver.conf
address 10.77.3.2
tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=73,fd=6))
udp UNCONN 0 0 [::]:3478 [::]:* users:(("turnserver",pid=9,fd=6))
tcp LISTEN 0 128 *:80 *:*
/proc/73/cgroup:ssh.service
`;
const host = (answers: Record<string, string>) =>
  new FakeHost({
    answers: { "/turnserver/": sockets, "/dpkg-query/": "installed sudo 1.9\n", "/rpm -qa/": "", ...answers },
  });

describe("what a host is like", () => {
  const os = { family: "debian", id: "debian", version: "13", name: "Debian GNU/Linux 13 (trixie)" };

  test("without Prosody: what its package manager would install", async () => {
    const found = host({ "/os-release/": debian, "/apt-cache/": "13.0.1-1+deb131u\n" });
    expect(await survey(found)).toEqual({
      os,
      candidate: "13.0.1-1+deb131u",
      isRunning: false,
      addresses: ["10.77.3.2"],
      taken: { "tcp 22": "sshd (ssh.service)", "tcp 80": "another program" },
    });
    const unknown = host({ "/os-release/": debian, "/apt-cache/": "(none)\n" });
    expect((await survey(unknown)).candidate).toBeUndefined();
    const other = host({ "/os-release/": fedora, "/dnf/": "13.0.5\n" });
    expect(await survey(other)).toMatchObject({ os: { family: "fedora" }, candidate: "13.0.5" });
  });

  test("with Prosody: its version, and whether it runs", async () => {
    const packages = { "/os-release/": debian, "/dpkg-query/": "installed prosody 13.0.1-1\n" };
    const running = host({ ...packages, "/systemctl/": "ActiveState=active\nMainPID=7\n" });
    expect(await survey(running)).toMatchObject({ installed: "13.0.1-1", isRunning: true });
    const stopped = host({ ...packages, "/systemctl/": "ActiveState=inactive\nMainPID=0\n" });
    expect(await survey(stopped)).toMatchObject({ installed: "13.0.1-1", isRunning: false });
  });

  test("of an unknown family: refused", async () => {
    await expect(survey(host({ "/os-release/": "ID=arch\nPRETTY_NAME=Arch\n" }))).rejects.toThrow(
      "the host runs Arch (ID=arch), which is not supported.",
    );
  });
});

describe("Prosody", () => {
  const base: Survey = {
    os: { family: "debian", id: "debian", version: "12", name: "Debian 12" },
    isRunning: false,
    addresses: [],
    taken: {},
  };
  const ubuntu = { family: "debian" as const, id: "ubuntu", version: "22.04", name: "Ubuntu 22.04" };
  const rocky = { family: "fedora" as const, id: "rocky", version: "9", name: "Rocky 9" };

  test.each<[what: string, survey: Partial<Survey>, isWarning: boolean, text: string]>([
    ["in the repositories", { candidate: "0.12.3-1" }, false, "Debian 12: has Prosody 0.12.3-1."],
    [
      "in unknown repositories",
      {},
      false,
      "Debian 12. Which Prosody it has will be seen with its package lists.",
    ],
    [
      "in none",
      { os: rocky },
      true,
      "Rocky 9: its repositories have no package prosody. On RHEL and its relatives it is in EPEL: `dnf install epel-release`.",
    ],
    [
      "running",
      { installed: "0.12.3-1", isRunning: true },
      true,
      "Prosody 0.12.3-1 is running on the host (Debian 12). `npm run compare -- --stack prod` shows what `pulumi up` would change of it.",
    ],
    [
      "stopped",
      { installed: "0.12.3-1" },
      true,
      "Prosody 0.12.3-1 is installed on the host (Debian 12). `npm run compare -- --stack prod` shows what `pulumi up` would change of it.",
    ],
  ])("%s", (_what, more, isWarning, text) => {
    expect(prosodyFinding({ ...base, ...more }, "prod")).toEqual({ isWarning, text });
  });

  test("of a release that is not supported: refused, with what is", () => {
    const why = (more: Partial<Survey>) => () => prosodyFinding({ ...base, ...more }, "prod");
    expect(why({ os: ubuntu, candidate: "0.11.13-1" })).toThrow(
      "The host runs Ubuntu 22.04. Prosody 0.11.13-1 is not supported: install 0.12 or 13.0. Debian 12 and 13 have them, and the current Fedora.",
    );
    expect(why({ installed: "14.0-1" })).toThrow("Prosody 14.0-1 is not supported");
    expect(why({ os: { ...base.os, version: "11", name: "Debian 11" } })).toThrow(
      "The host runs Debian 11, which is too old: use Debian 12 or 13.",
    );
  });
});

describe("ports", () => {
  const settings = server({ domains: [{ name: "example.test", acme: { challenge: "http-01" } as never }] });
  const taken = (ports: Record<string, string>, isRunning = false) =>
    portFindings(settings, { taken: ports, isRunning } as Survey);

  test("free ones are one line; those for relaying are any that are free", () => {
    const free = [
      {
        isWarning: false,
        text: "Nothing else has the ports 80, 3478, 5000, 5222, 5223, 5269, 5270, 5281, 5347, 5349 on the host.",
      },
    ];
    expect(taken({})).toEqual(free);
    expect(taken({ "tcp 22": "sshd", "udp 50000": "wireguard", "udp 5222": "other" })).toEqual(free);
  });

  test("taken ones are told with their holder and the fix", () => {
    expect(taken({ "tcp 5222": "ejabberd", "tcp 3478": "another program", "tcp 80": "nginx" })).toEqual([
      {
        isWarning: true,
        text: "Port 5222/tcp is taken by ejabberd. Stop it, or choose another port: pulumi config set --path prosody:ports.clientStarttls PORT.",
      },
      {
        isWarning: true,
        text: "Port 3478/tcp is taken by another program. Stop it, or choose another port: pulumi config set --path prosody:ports.turn PORT.",
      },
      {
        isWarning: true,
        text: "Port 80/tcp is taken by nginx. Stop it, or bring your own certificate: certbot needs the port for a moment at each renewal.",
      },
    ]);
  });

  test("Prosody's own are no finding, unless it does not run", () => {
    const own = { "tcp 5222": "lua5.4", "tcp 5269": "prosody" };
    expect(taken(own, true)).toEqual(taken({}));
    expect(taken(own).map(({ isWarning }) => isWarning)).toEqual([true, true]);
    expect(taken({ "tcp 80": "lua5.4" }, true)[0]!.isWarning).toBe(true);
  });
});

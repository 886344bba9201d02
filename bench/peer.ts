import { existsSync } from "node:fs";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { root } from "../config/root";
import { run, say, sayNowAndThen } from "../lab/command";
import { withLock } from "../lab/lock";
import { cacheDirectory } from "../lab/paths";
import { accounts, type BenchHost } from "./hosts";
import type { peerPhases } from "./results";

/** From PyPI; `ansible` has the collections, of which two are taken. */
const versions = { "ansible-core": "2.19.14", ansible: "12.3.0" };
const collections = ["ansible/posix", "community/general"];

const directory = path.join(cacheDirectory(), "ansible", Object.values(versions).join("-"));

/** Ansible in a virtual environment of the project's cache directory, made at the first call. */
async function ansible(): Promise<string> {
  const program = path.join(directory, "bin/ansible-playbook");
  const done = path.join(directory, "done");
  const lock = path.join(cacheDirectory(), "ansible/.lock");
  await fs.mkdir(path.dirname(lock), { recursive: true });
  await withLock(lock, "Waiting for another process that installs Ansible.", async () => {
    if (existsSync(done)) return;
    say(`Installing ansible-core ${versions["ansible-core"]}`);
    await fs.rm(directory, { recursive: true, force: true });
    const python = path.join(directory, "bin/python3");
    const wheels = path.join(directory, "wheels");
    const show = { onLine: sayNowAndThen("  ") };
    await run("python3", ["-m", "venv", directory], show);
    await run(python, ["-m", "pip", "install", `ansible-core==${versions["ansible-core"]}`], show);
    const wanted = `ansible==${versions.ansible}`;
    await run(python, ["-m", "pip", "download", "--no-deps", "--dest", wheels, wanted], show);
    await run(python, ["-c", unpack, wheels, path.join(directory, "collections"), ...collections]);
    await fs.rm(wheels, { recursive: true });
    await fs.writeFile(done, "");
  });
  return program;
}

/** The whole package has 40,000 files. */
const unpack = `
import pathlib, sys, zipfile
wheels, target, *collections = sys.argv[1:]
for wheel in pathlib.Path(wheels).glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        prefixes = tuple(f"ansible_collections/{name}/" for name in collections)
        archive.extractall(target, [name for name in archive.namelist() if name.startswith(prefixes)])
`;

/** The playbook beside this file, for hosts to which the project has deployed once: it takes its files from there. */
export class Peer {
  private constructor(
    private readonly program: string,
    private readonly directory: string,
    private readonly hosts: readonly BenchHost[],
    private readonly jids: number,
  ) {}

  static async create(hosts: readonly BenchHost[], jids: number): Promise<Peer> {
    const program = await ansible();
    const directory = await fs.mkdtemp(path.join(os.tmpdir(), "prosody-peer-"));
    for (const host of hosts) await takeFiles(host, path.join(directory, host.server));
    return new Peer(program, directory, hosts, jids);
  }

  /** @returns seconds */
  async phase(phase: (typeof peerPhases)[number]): Promise<number> {
    await this.#inventory(phase === "first" || phase === "nothing" ? this.jids : this.jids + 1);
    const started = performance.now();
    const { stdout } = await run(
      this.program,
      [
        "-i",
        path.join(this.directory, "inventory.json"),
        "--forks=20",
        ...(phase === "preview" ? ["--check", "--diff"] : []),
        path.join(root, "bench/playbook.yml"),
      ],
      { env: this.#environment() },
    );
    const seconds = (performance.now() - started) / 1000;
    const changed = /changed=[1-9]/.test(stdout);
    if (changed !== (phase === "first" || phase === "one"))
      throw new Error(
        `Ansible ${changed ? "changed something" : "changed nothing"} in phase ${phase}:\n${stdout}`,
      );
    return seconds;
  }

  /** Pipelining, and one connection for all tasks. */
  #environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      ANSIBLE_COLLECTIONS_PATH: path.join(directory, "collections"),
      ANSIBLE_PIPELINING: "True",
      ANSIBLE_SSH_ARGS: "-o ControlMaster=auto -o ControlPersist=60s",
      ANSIBLE_NOCOLOR: "1",
      ANSIBLE_PYTHON_INTERPRETER: "/usr/bin/python3",
      ANSIBLE_HOME: path.join(this.directory, "home"),
      LC_ALL: "C.UTF-8",
    };
  }

  async #inventory(jids: number): Promise<void> {
    const all = accounts(this.hosts, jids);
    const hosts = await Promise.all(
      this.hosts.map(async ({ lab, server, domain }) => {
        const files = path.join(this.directory, server);
        const own = all.filter(({ jid }) => jid.endsWith(`@${domain}`));
        const variables = {
          ansible_host: lab.address,
          ansible_user: "root",
          ansible_ssh_private_key_file: lab.privateKeyFile,
          ansible_ssh_common_args: `-o UserKnownHostsFile=${lab.knownHosts} -o IdentityAgent=none -F /dev/null`,
          files,
          domain,
          certificates: [
            { name: `${domain}.crt`, mode: "0640" },
            { name: `${domain}.key`, mode: "0640" },
          ],
          turn: [
            { name: "turnserver.conf", to: "/etc/turnserver.conf" },
            { name: `${domain}.crt`, to: "/etc/turnserver.crt" },
            { name: `${domain}.key`, to: "/etc/turnserver.key" },
          ],
          ...(JSON.parse(await fs.readFile(path.join(files, "access.json"), "utf8")) as object),
          accounts: own.map(({ jid, password }) => [jid.split("@")[0], password]),
        };
        return [server, variables] as const;
      }),
    );
    const inventory = { all: { hosts: Object.fromEntries(hosts) } };
    await fs.writeFile(path.join(this.directory, "inventory.json"), JSON.stringify(inventory), {
      mode: 0o600,
    });
  }

  async remove(): Promise<void> {
    await fs.rm(this.directory, { recursive: true, force: true });
  }
}

/** What the project has put on a host: files, ports of the firewall, labels. */
async function takeFiles({ lab, domain }: BenchHost, target: string): Promise<void> {
  await fs.mkdir(target, { recursive: true, mode: 0o700 });
  const names = {
    "prosody.cfg.lua": "/etc/prosody/prosody.cfg.lua",
    "secrets.cfg.lua": "/etc/prosody/secrets.cfg.lua",
    "turnserver.conf": "/etc/turnserver.conf",
    [`${domain}.crt`]: `/etc/prosody/certs/${domain}.crt`,
    [`${domain}.key`]: `/etc/prosody/certs/${domain}.key`,
  };
  for (const [name, file] of Object.entries(names))
    await fs.writeFile(path.join(target, name), await lab.exec(`cat ${file}`), { mode: 0o600 });
  const words = (text: string) => text.trim().split(/\s+/).filter(Boolean);
  const ports = words(await lab.exec("firewall-cmd --permanent --list-ports"));
  const local = await lab.exec("semanage port -l -C -n");
  const labels = [...local.matchAll(/^(\w+_t) +tcp +([\d, -]+)$/gm)].flatMap(([, label, list]) =>
    list!.split(",").map((port) => ({ label, port: port.trim() })),
  );
  await fs.writeFile(path.join(target, "access.json"), JSON.stringify({ ports, labels }));
}

// A stand-in for pulumi-resource-command 1.2.1, which can't be had without the vendor's download site: it really runs
// the commands of local.Command and remote.Command, with sh and ssh, and tells their output. Thin: what it does not
// know (assets, logging, passwords of users), it refuses.
const { spawn } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { isDeepStrictEqual } = require("node:util");
const provider = require("@pulumi/pulumi/provider");
const { unwrapRpcSecret } = require("@pulumi/pulumi/runtime/rpc");

const inputs = {
  local: ["create", "update", "delete", "triggers", "environment", "stdin"],
  remote: ["create", "update", "delete", "triggers", "environment", "stdin", "connection"],
};

/** Without the wrapping of secrets. */
function plain(value) {
  const inner = unwrapRpcSecret(value);
  if (Array.isArray(inner)) return inner.map(plain);
  if (typeof inner !== "object" || inner === null) return inner;
  return Object.fromEntries(Object.entries(inner).map(([key, item]) => [key, plain(item)]));
}

const kindOf = (urn) => (/command:remote:Command::/.test(urn) ? "remote" : "local");

async function run(urn, command, props) {
  if (command === undefined) return {};
  const { stdin = "", environment = {}, connection } = plain(props);
  const result =
    kindOf(urn) === "local"
      ? await execute("/bin/sh", ["-c", command], stdin, environment)
      : await overSsh(connection, command, stdin);
  if (result.code !== 0)
    throw new Error(`exit status ${result.code}: running ${JSON.stringify(command)}:\n${result.stderr}`);
  return { stdout: result.stdout.trimEnd(), stderr: result.stderr.trimEnd() };
}

/** ssh(1) with the keys in files of a directory that is gone afterwards. */
async function overSsh(connection, command, stdin) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-ssh-"));
  const file = (name, text) => {
    fs.writeFileSync(path.join(directory, name), text, { mode: 0o600 });
    return path.join(directory, name);
  };
  const endpoint = (name, { host, port, user, hostKey, privateKey, perDialTimeout }) => {
    const known = file(`${name}.known_hosts`, `${port === 22 ? host : `[${host}]:${port}`} ${hostKey}\n`);
    return [
      `Host ${name}`,
      `  HostName ${host}\n  Port ${port}\n  User ${user}\n  HostKeyAlgorithms ${hostKey.split(" ")[0]}`,
      `  UserKnownHostsFile ${known}\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes`,
      `  IdentityFile ${file(`${name}.key`, privateKey)}\n  IdentitiesOnly yes\n  BatchMode yes`,
      `  ConnectTimeout ${perDialTimeout}\n`,
    ].join("\n");
  };
  try {
    const proxy = connection.proxy ? endpoint("proxy", connection.proxy) : "";
    const target = endpoint("target", connection) + (proxy && "  ProxyJump proxy\n");
    return await execute("ssh", ["-F", file("config", proxy + target), "target", command], stdin, {});
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

function execute(program, args, stdin, environment) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...process.env, ...environment } });
    const result = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"])
      child[stream].on("data", (data) => {
        result[stream] += data;
      });
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...result, code }));
    child.stdin.on("error", () => undefined); // a command need not read it
    child.stdin.end(stdin);
  });
}

provider.main(
  {
    version: "1.2.1",
    check: async (urn, _olds, news) => {
      const strange = Object.keys(news).filter((name) => !inputs[kindOf(urn)].includes(name));
      const reason = "the stand-in for this plugin does not know it";
      return { inputs: news, failures: strange.map((property) => ({ property, reason })) };
    },
    diff: async (_id, urn, olds, news) => {
      const [before, after] = [plain(olds), plain(news)];
      const changed = inputs[kindOf(urn)].filter((name) => !isDeepStrictEqual(before[name], after[name]));
      return { changes: changed.length > 0, replaces: changed.filter((name) => name === "triggers") };
    },
    create: async (urn, news) => ({
      id: `command-${Date.now()}`,
      outs: { ...news, ...(await run(urn, plain(news.create), news)) },
    }),
    update: async (_id, urn, _olds, news) => ({
      outs: { ...news, ...(await run(urn, plain(news.update ?? news.create), news)) },
    }),
    delete: async (_id, urn, props) => {
      await run(urn, plain(props.delete), props);
    },
  },
  process.argv.slice(2),
);

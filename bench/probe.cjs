/**
 * Loaded into every Node.js process of a run (NODE_OPTIONS) when the benchmark asks for it, so that the product needs
 * no counters of its own. Each process of ours leaves a file in PROSODY_PROBE when it ends: who it was, its times in
 * milliseconds since the epoch, the memory it had at most, the remote commands it ran.
 */
const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");

const directory = process.env.PROSODY_PROBE;
const script = process.argv[1] ?? "";
const role = /dynamic-provider/.test(script)
  ? "provider"
  : /cmd[/\\]run(\b|$)/.test(script)
    ? "program"
    : undefined;

if (directory && role) {
  const now = () => performance.timeOrigin + performance.now();
  /** Connections and remote commands: when each began and ended. */
  const connections = [];
  const commands = [];
  const modules = {};

  const wrap = (Client) => {
    const { connect, exec } = Client.prototype;
    Client.prototype.connect = function (...args) {
      const entry = { start: now() };
      connections.push(entry);
      this.once("ready", () => {
        entry.end = now();
      });
      return connect.apply(this, args);
    };
    Client.prototype.exec = function (...args) {
      const entry = { start: now(), command: String(args[0]).slice(0, 2000) };
      commands.push(entry);
      const done = args.pop();
      return exec.call(this, ...args, (error, channel) => {
        channel?.on("close", () => {
          entry.end = now();
        });
        done(error, channel);
      });
    };
  };

  const load = Module._load;
  let wrapped = false;
  Module._load = function (request, ...rest) {
    const started = now();
    const loaded = load.call(this, request, ...rest);
    if (request === "ssh2" && !wrapped) {
      wrapped = true;
      wrap(loaded.Client);
    }
    const ours = /(?:start\.cjs|noop\.cjs|bin[/\\]index|bin[/\\]providers[/\\]dispatch)$/.exec(request)?.[0];
    if (ours) modules[path.basename(ours)] ??= { start: started, end: now() };
    return loaded;
  };

  process.on("exit", () => {
    const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
    const record = {
      role,
      start: performance.timeOrigin,
      end: now(),
      peakKilobytes: maxRSS,
      cpu: (userCPUTime + systemCPUTime) / 1000,
      modules,
      connections,
      commands,
    };
    fs.writeFileSync(path.join(directory, `${role}-${process.pid}.json`), JSON.stringify(record));
  });
}

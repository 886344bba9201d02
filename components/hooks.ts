import { readFileSync } from "node:fs";
import type { local, remote, types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { type Files, thisMachine } from "../config/environment";
import { knownHostKey } from "../config/host-keys";
import { Secret } from "../config/secret";
import type { Hook, HostSettings } from "../config/settings";
import { sh } from "../providers/ssh/quote";
import { perServer } from "./names";
import { Part } from "./part";

interface HooksArgs {
  /** Name of the server in the stack config. */
  readonly server: string;
  /** Where remote hooks run. */
  readonly host: HostSettings;
  /** They run one after the other. */
  readonly hooks: readonly Hook[];
}

/** Commands of the user's own. @pulumi/command is loaded here, so that its plugin is needed where there is a hook. */
export class Hooks extends Part {
  constructor(name: string, args: HooksArgs, options?: pulumi.ComponentResourceOptions) {
    super("prosody:index:Hooks", name, options);
    const command: typeof import("@pulumi/command") = require("@pulumi/command");
    const { files } = thisMachine();
    let previous = this.child.dependsOn;
    for (const hook of args.hooks) {
      const resource = perServer(args.server, hook.name);
      const position = { ...this.child, dependsOn: previous, deleteBeforeReplace: true };
      previous =
        hook.where === "local"
          ? new command.local.Command(resource, localInputs(hook), position)
          : new command.remote.Command(resource, remoteInputs(hook, args.host, files), position);
    }
    this.registerOutputs();
  }
}

function localInputs(hook: Hook): local.CommandArgs {
  const variables = Object.entries(hook.environment).map(([name, value]) => [name, plain(value)]);
  return {
    ...commands(hook, plain),
    ...(variables.length > 0 && { environment: Object.fromEntries(variables) }),
  };
}

/**
 * sshd takes no environment but a locale from a client, and a command can be seen in the host's process list: the
 * variables go through standard input, from which the shell takes them.
 */
function remoteInputs(hook: Hook, host: HostSettings, files: Files): remote.CommandArgs {
  const variables = Object.entries(hook.environment);
  const connection = connectionArgs(host, files);
  if (variables.length === 0) return { ...commands(hook, plain), connection };
  const withVariables = (text: Hook["create"]) =>
    pulumi.output(plain(text)).apply((command) => `eval "$(cat)"\n${command}`);
  const isSecret = variables.some(([, value]) => value instanceof Secret);
  const stdin = variables
    .map(([name, value]) => sh`export ${`${name}=${value instanceof Secret ? value.reveal() : value}`}`)
    .join("\n");
  return { ...commands(hook, withVariables), stdin: isSecret ? pulumi.secret(stdin) : stdin, connection };
}

function commands<T>(hook: Hook, text: (text: Hook["create"]) => T) {
  return {
    create: text(hook.create),
    ...(hook.update !== undefined && { update: text(hook.update) }),
    ...(hook.delete !== undefined && { delete: text(hook.delete) }),
    ...(hook.triggers.length > 0 && { triggers: hook.triggers }),
  };
}

const plain = (text: Hook["create"]): pulumi.Input<string> =>
  text instanceof Secret ? pulumi.secret(text.reveal()) : text;

/** The way to the host as @pulumi/command wants it; the resource keeps it, encrypted, in the state. */
function connectionArgs(host: HostSettings, files: Files): types.input.remote.ConnectionArgs {
  const proxy = host.jump && endpointArgs(host.jump, files);
  return { ...endpointArgs(host, files), ...(proxy && { proxy }) };
}

function endpointArgs(host: Omit<HostSettings, "sudo" | "jump">, files: Files) {
  const { privateKey, privateKeyFile, passphrase, agent } = host.login;
  const key = privateKey?.reveal() ?? (privateKeyFile && readFileSync(privateKeyFile, "utf8"));
  return {
    host: host.address,
    port: host.port,
    user: host.user,
    hostKey: knownHostKey(host, files),
    perDialTimeout: host.connectTimeout,
    ...(key && { privateKey: key }),
    ...(passphrase && { privateKeyPassword: passphrase.reveal() }),
    // The plugin looks at SSH_AUTH_SOCK by itself; as an input, it would be another one in each session.
    ...(agent && agent !== thisMachine().agent && { agentSocketPath: agent }),
  };
}

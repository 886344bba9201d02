import { z } from "zod";
import { type Environment, readText } from "./environment";
import { parseAddress } from "./host-address";
import { checkPrivateKey, parseHostKey } from "./host-keys";
import { booleanOf, flag, list, secret, whole } from "./parts";
import { attempt, isBroken, parsing, refuse, whenMap } from "./refused";
import type { HostSettings } from "./settings";

/** Where OpenSSH keeps what this schema falls back to. */
const standard = {
  knownHosts: "~/.ssh/known_hosts",
  keys: ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"],
};

const hostKeyHelp = "give the host's public key, such as ssh-ed25519 AAAAC3Nz…, or a list of them";
const agentHelp = "give true, or the path of the agent's socket";
const sudoHelp = "give true, false, or a map with password";

/** How to reach a host; shared by the host and the jump host before it. */
const connection = (env: Environment) => ({
  address: z.string("give a host name or an IP address").transform(parsing(parseAddress)).meta({
    description: "Host name or IP address that SSH connects to.",
    example: "address: xmpp.example.com",
  }),
  port: whole(1, 65535, "give SSH's port, a whole number from 1 to 65535").prefault(22).meta({
    description: "TCP port of SSH.",
  }),
  user: z
    .string("give the name of a user on the host")
    .regex(
      /^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$/,
      "give the name of a user on the host: letters, digits, dots, hyphens and underscores",
    )
    .prefault("root")
    .meta({ description: "User to log in as. Anybody but root needs `sudo`.", example: "user: admin" }),
  hostKey: list(z.string(hostKeyHelp).transform(parsing(parseHostKey)), hostKeyHelp)
    .optional()
    .meta({
      description:
        "The host's public key, pinned: as in /etc/ssh/ssh_host_ed25519_key.pub on the host. A list allows several, for the time of a change.",
      form: "public key, or a list of them",
      otherwise: "`knownHosts`",
      example: "hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…",
    }),
  knownHosts: z
    .string("give the path of a known_hosts file")
    .regex(/^[^\r\n]+$/, "give the path of a known_hosts file, not what is in it")
    .optional()
    .meta({
      description: "A file of known host keys (sshd(8)), instead of a pinned `hostKey`.",
      form: "path",
      otherwise: `\`${standard.knownHosts}\``,
      example: `knownHosts: ${standard.knownHosts}`,
    }),
  trustOnFirstUse: flag().prefault(false).meta({
    description:
      "Trust whatever key the host shows at the first connection, and write it into `knownHosts`. Whoever sits between at that moment is trusted, too: pin the key where you can.",
  }),
  privateKey: secret("give a private key as `ssh-keygen` writes it, as a secret").optional().meta({
    description:
      "Private key to log in with, as text. An agent or `privateKeyFile` is better: what is in the stack config ends up, encrypted, in the state, too.",
    secret: true,
    form: "private key (secret)",
    otherwise: "the agent, and OpenSSH's standard key files",
  }),
  privateKeyFile: z
    .string("give the path of a private key")
    .transform(parsing((file) => ({ file: env.files.resolve(file), text: readText(env.files, file) })))
    .optional()
    .meta({
      description: "Path of the private key to log in with.",
      form: "path",
      otherwise: `the agent, and the first of ${standard.keys.map((file) => `\`${file}\``).join(", ")}`,
      example: "privateKeyFile: ~/.ssh/id_ed25519",
    }),
  passphrase: secret("give the passphrase of the private key, as a secret").optional().meta({
    description: "Passphrase of that private key.",
    secret: true,
    form: "secret",
    otherwise: "the key is not encrypted",
  }),
  agent: z
    .preprocess(booleanOf, z.union([z.boolean(), z.string().min(1, agentHelp)], agentHelp))
    .optional()
    .meta({
      description: "Log in with the keys of an SSH agent: `true` takes the one of `SSH_AUTH_SOCK`.",
      form: "`true`, `false` or path of a socket",
      otherwise: "`true` when no key is given and an agent runs",
      example: "agent: true",
    }),
  connectTimeout: whole(1, 600, "give seconds, a whole number from 1 to 600").prefault(10).meta({
    description: "Seconds until a connection attempt is given up.",
  }),
});

type Connection = z.output<z.ZodObject<ReturnType<typeof connection>>>;

/** A host name alone stands for a map with `address`. */
const short = (value: unknown) => (typeof value === "string" && value !== "" ? { address: value } : value);

const jump = (env: Environment) =>
  z.preprocess(
    short,
    z
      .strictObject(connection(env), "give the jump host's address, or a map with address, user and hostKey")
      .superRefine(checkConnection(env), whenMap),
  );

/** The host that Prosody runs on. */
export const host = (env: Environment) =>
  z
    .preprocess(
      short,
      z
        .strictObject(
          {
            ...connection(env),
            sudo: z
              .preprocess(
                booleanOf,
                z.union(
                  [
                    z.boolean(),
                    z.strictObject({
                      password: secret("give the password that sudo asks for, as a secret")
                        .optional()
                        .meta({ description: "Password that sudo asks for.", secret: true, form: "secret" }),
                    }),
                  ],
                  sudoHelp,
                ),
              )
              .prefault(false)
              .meta({
                description: "Become root with sudo; `{ password: … }` where sudo asks for one.",
                secret: true,
                form: "`true`, `false`, or a map with `password` (secret)",
                example: "sudo: true",
              }),
            jump: jump(env)
              .optional()
              .meta({
                description:
                  "A host to go through, as with `ssh -J`. It takes the same options, without `sudo` and `jump`.",
                form: "like `host`",
                otherwise: "direct connection",
                example: `jump:
  address: bastion.example.com
  user: admin
  hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…`,
              }),
          },
          "give the host's address, or a map with address, user, hostKey and more",
        )
        .superRefine(checkConnection(env), whenMap)
        .superRefine(checkRoot, whenMap),
    )
    .transform(
      ({ sudo, jump, ...connection }): HostSettings => ({
        ...settle(connection, env),
        sudo: sudo === true ? {} : sudo,
        ...(jump && { jump: settle(jump, env) }),
      }),
    )
    .meta({
      description:
        "The host to run Prosody on, and how SSH reaches it. A host name alone is enough where `ssh root@HOST` works without a question.",
      form: "host name, or a map",
      example: `host:
  address: xmpp.example.com
  user: admin
  hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…
  privateKeyFile: ~/.ssh/id_ed25519
  sudo: true`,
    });

function checkConnection(env: Environment) {
  return (given: Partial<Connection>, ctx: z.RefinementCtx) => {
    checkTrust(given, ctx, env);
    checkLogin(given, ctx, env);
  };
}

function checkTrust(given: Partial<Connection>, ctx: z.RefinementCtx, env: Environment): void {
  const { hostKey, knownHosts, trustOnFirstUse } = given;
  if (Array.isArray(hostKey) && hostKey.length === 0)
    refuse(ctx, "the list is empty; give the host's public key, or leave out hostKey", ["hostKey"]);
  if (hostKey !== undefined) {
    for (const other of ["knownHosts", "trustOnFirstUse"] as const)
      if (given[other] && !isBroken(ctx, other))
        refuse(ctx, "leave it out: the host's key is pinned by hostKey", [other]);
    return;
  }
  if (trustOnFirstUse || isBroken(ctx, "knownHosts")) return;
  const file = env.files.resolve(knownHosts ?? standard.knownHosts);
  if (env.files.exists(file)) return;
  if (knownHosts === undefined)
    refuse(
      ctx,
      "nothing tells which key the host has: give hostKey (the line of /etc/ssh/ssh_host_ed25519_key.pub on the host), a knownHosts file, or trustOnFirstUse: true",
    );
  else
    refuse(ctx, `there is no file ${file}; make it: ssh-keyscan HOST >> FILE, and compare the fingerprints`, [
      "knownHosts",
    ]);
}

function checkLogin(given: Partial<Connection>, ctx: z.RefinementCtx, env: Environment): void {
  const { privateKey, privateKeyFile, passphrase, agent } = given;
  const noKey = privateKey === undefined && privateKeyFile === undefined;
  if (privateKey !== undefined && privateKeyFile !== undefined)
    refuse(ctx, "give either privateKey or privateKeyFile, not both", ["privateKeyFile"]);
  if (passphrase !== undefined && noKey && !isBroken(ctx, "passphrase"))
    refuse(ctx, "there is no key that it could open; give privateKeyFile or privateKey", ["passphrase"]);
  if (agent === true && !env.agent)
    refuse(ctx, "no agent runs (SSH_AUTH_SOCK is not set); start one, or give privateKeyFile", ["agent"]);
  if (typeof agent === "string" && agent !== "" && !env.files.exists(env.files.resolve(agent)))
    refuse(ctx, `there is no socket ${env.files.resolve(agent)}; give the path of SSH_AUTH_SOCK, or true`, [
      "agent",
    ]);
  if (noKey && !agent && !env.agent && !standardKey(env))
    refuse(ctx, "nothing to log in with: give privateKeyFile, privateKey (secret) or agent: true");
  checkKeys(given, ctx);
}

function checkKeys(
  { privateKey, privateKeyFile, passphrase }: Partial<Connection>,
  ctx: z.RefinementCtx,
): void {
  if (isBroken(ctx, "passphrase")) return;
  if (!isBroken(ctx, "privateKey")) checkKey("privateKey", privateKey?.reveal());
  if (!isBroken(ctx, "privateKeyFile")) checkKey("privateKeyFile", privateKeyFile?.text);

  function checkKey(option: string, text: string | undefined): void {
    const problem = text === undefined ? undefined : checkPrivateKey(text, passphrase?.reveal());
    if (problem) refuse(ctx, problem.message, [problem.of === "passphrase" ? "passphrase" : option]);
  }
}

function checkRoot({ user, sudo }: { user?: string; sudo?: unknown }, ctx: z.RefinementCtx): void {
  if (isBroken(ctx, "user") || isBroken(ctx, "sudo")) return;
  if (user !== "root" && sudo === false)
    refuse(ctx, "a user other than root can't install Prosody; add sudo: true, or sudo: { password: … }", [
      "user",
    ]);
  if (user === "root" && sudo)
    refuse(ctx, "root needs no sudo; leave it out, or name the user to log in as", ["sudo"]);
}

/** The first of OpenSSH's standard keys that opens without a passphrase. */
function standardKey(env: Environment): string | undefined {
  return standard.keys
    .map((file) => env.files.resolve(file))
    .find(
      (file) =>
        env.files.exists(file) &&
        attempt(() => checkPrivateKey(readText(env.files, file), undefined) ?? "fine") === "fine",
    );
}

function settle(given: Connection, env: Environment): Omit<HostSettings, "sudo" | "jump"> {
  const { hostKey, knownHosts, trustOnFirstUse, privateKey, privateKeyFile, passphrase, agent, ...rest } =
    given;
  const file = env.files.resolve(knownHosts ?? standard.knownHosts);
  const named = privateKey !== undefined || privateKeyFile !== undefined || agent !== undefined;
  const standardFile = named ? undefined : standardKey(env);
  const socket = agent === true || !named ? env.agent : agent ? env.files.resolve(agent) : undefined;
  return {
    ...rest,
    trust: hostKey
      ? { kind: "pinned", hostKeys: hostKey }
      : { kind: trustOnFirstUse ? "firstUse" : "knownHosts", file },
    login: {
      ...(privateKey && { privateKey }),
      ...(privateKeyFile && { privateKeyFile: privateKeyFile.file }),
      ...(standardFile && { privateKeyFile: standardFile }),
      ...(passphrase && { passphrase }),
      ...(socket && { agent: socket }),
    },
  };
}

import { readFileSync } from "node:fs";
import { type AnyAuthMethod, type IdentityCallback, OpenSSHAgent, type ParsedKey, utils } from "ssh2";
import type { HostSettings } from "../../config/settings";
import { sentences } from "./errors";
import { fingerprint } from "./known-hosts";
import { expandHome } from "./paths";

/** One way to log in, with what errors call it. */
export interface Way {
  label(): string;
  method: AnyAuthMethod;
}

type Account = Pick<HostSettings, "user" | "login">;

/**
 * The configured ways to log in, in the order in which they are tried: key of the stack config, key file, agent.
 * A way that can't be used (no such file, wrong passphrase) does not stand in the way of the others: it is
 * returned as text for the error that tells that none worked.
 */
function waysIn({ user, login }: Account): { ways: Way[]; unusable: string[] } {
  const ways: Way[] = [];
  const unusable: string[] = [];
  const add = (label: string, make: () => Way) => {
    try {
      ways.push(make());
    } catch (error) {
      unusable.push(`${label}: ${(error as Error).message}`);
    }
  };
  const keyWay = (label: string, text: () => string): Way => {
    const key = parsePrivateKey(text(), login.passphrase?.reveal());
    return {
      label: () => `${label} (${keyName(key)})`,
      method: { type: "publickey", username: user, key } as unknown as AnyAuthMethod,
    };
  };

  const { privateKey, privateKeyFile } = login;
  if (privateKey)
    add("the stack config's privateKey", () =>
      keyWay("the stack config's privateKey", () => privateKey.reveal()),
    );
  if (privateKeyFile)
    add(`key file ${privateKeyFile}`, () =>
      keyWay(`key file ${privateKeyFile}`, () => readKeyFile(expandHome(privateKeyFile))),
    );
  if (login.agent !== undefined) add("agent", () => agentWay(user, login.agent!));
  return { ways, unusable };
}

function agentWay(user: string, setting: string): Way {
  const socket = setting === "" || setting === "$SSH_AUTH_SOCK" ? process.env.SSH_AUTH_SOCK : setting;
  if (!socket)
    throw new Error(
      "$SSH_AUTH_SOCK is not set: start one with `eval $(ssh-agent)` and add the key with ssh-add",
    );
  const agent = new Agent(expandHome(socket));
  return {
    label: () => `agent ${socket}${agent.keys}`,
    method: { type: "agent", username: user, agent },
  };
}

/** An agent that remembers what it had to offer. */
class Agent extends OpenSSHAgent {
  keys = "";

  override getIdentities(done: IdentityCallback<ParsedKey>): void {
    super.getIdentities((error, keys) => {
      const names = (keys as ParsedKey[] | undefined)?.map(keyName) ?? [];
      if (!error) this.keys = ` (${names.join(", ") || "it has no key: add one with ssh-add"})`;
      done(error, keys as ParsedKey[]);
    });
  }
}

function keyName(key: ParsedKey): string {
  return `${key.type} ${fingerprint(key.getPublicSSH())}`;
}

function readKeyFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(`can't be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function parsePrivateKey(text: string, passphrase: string | undefined): ParsedKey {
  const parsed = utils.parseKey(text, passphrase) as ParsedKey | ParsedKey[] | Error;
  if (parsed instanceof Error) {
    if (/no passphrase given/.test(parsed.message))
      throw new Error("it is encrypted: set `passphrase`, or add it to an agent");
    if (/passphrase\?/.test(parsed.message)) throw new Error("the passphrase is wrong");
    throw new Error("it is no private key in OpenSSH or PEM format");
  }
  const key = Array.isArray(parsed) ? parsed[0]! : parsed;
  if (!key.isPrivateKey()) throw new Error("it is a public key; the private one is needed");
  return key;
}

/** Tries the ways to log in one after the other, and remembers what became of them. */
export class Login {
  readonly #user: string;
  readonly #ways: Way[];
  readonly #unusable: string[];
  #next = 0;
  #trying: Way | undefined;
  #failure = "";
  readonly #refused: string[] = [];
  #accepted: readonly string[] = [];

  /** @throws Error when there is no way that could be tried */
  constructor(account: Account) {
    const { ways, unusable } = waysIn(account);
    if (ways.length === 0)
      throw new Error(
        unusable.length > 0
          ? sentences("there is no key to log in with", ...unusable)
          : "there is no key to log in with. Set privateKeyFile, privateKey or agent",
      );
    this.#user = account.user;
    this.#ways = ways;
    this.#unusable = unusable;
  }

  /** ssh2's authHandler. */
  next(accepted: readonly string[] | null): AnyAuthMethod | false {
    if (accepted) this.#accepted = accepted;
    if (this.#trying) this.#refused.push(this.#trying.label() + this.#failure);
    this.#failure = "";
    this.#trying = this.#ways[this.#next++];
    return this.#trying?.method ?? false;
  }

  /** What the agent could not do; ssh2 goes on with the next way by itself. */
  failed(reason: string): void {
    this.#failure = ` (${reason})`;
  }

  refusal(): string {
    const accepts = this.#accepted.length > 0 ? `; it accepts ${this.#accepted.join(", ")}` : "";
    return sentences(
      `the host refused the login of ${this.#user} with ${this.#refused.join(", then ")}${accepts}`,
      ...this.#unusable,
      `put the public key into ~${this.#user}/.ssh/authorized_keys on the host, configure the key that is there (prosody:host.privateKeyFile), or correct prosody:host.user`,
    );
  }
}

import { randomBytes } from "node:crypto";
import { unicodeDomain } from "../config/domain-name";
import { adminShell, backupPause } from "../providers/admin-shell";
import type { Host } from "../providers/host";
import { luaSource, luaString } from "../providers/lua";
import type { Invitation } from "./check";
import type { Credentials } from "./xmpp/session";

/** A run takes less than this, in seconds: accounts that are older are leftovers of a run that was killed. */
const leftoverAge = 180;

/** Accounts in one command: their passwords are hashed in the server, which does nothing else meanwhile. */
const atOnce = 4;

/**
 * Accounts of one run, made in the running server over its admin socket, as the stack's own are. Their names,
 * `verify-<time>-<random>-<number>`, are such that what a killed run leaves is known for what it is.
 */
export class ThrowAway {
  #count = new Map<string, number>();
  #invited = 0;

  private constructor(
    private readonly host: Host,
    /** Beginning of every name that the run may use, for accounts and rooms. */
    readonly tag: string,
    private readonly password: string,
  ) {}

  /** Begins a run, and removes what killed ones have left. @throws Error when the server can't be asked */
  static async begin(host: Host): Promise<ThrowAway> {
    const random = randomBytes(3).toString("hex");
    const [tag] = await ask(host, [`return throw_away_begin(${luaString(random)},${leftoverAge})`]);
    return new ThrowAway(host, tag!, randomBytes(18).toString("base64url"));
  }

  /** Makes accounts on a virtual host. */
  async make(domain: string, count: number): Promise<Credentials[]> {
    const first = (this.#count.get(domain) ?? 0) + 1;
    this.#count.set(domain, first + count - 1);
    const numbers = Array.from({ length: count }, (_, index) => first + index);
    const commands: string[] = [];
    for (let index = 0; index < count; index += atOnce) {
      const list = numbers.slice(index, index + atOnce).join(",");
      const names = [unicodeDomain(domain), this.tag, this.password].map(luaString).join(",");
      commands.push(`throw_away_make(${names},{${list}})`);
    }
    await ask(this.host, commands);
    return numbers.map((number) => ({ jid: `${this.tag}-${number}@${domain}`, password: this.password }));
  }

  /** @returns whether this release can give an account an administrator's rights */
  async promote({ jid }: Credentials): Promise<boolean> {
    const [name, domain] = jid.split("@") as [string, string];
    const [done] = await ask(this.host, [
      `return throw_away_promote(${luaString(unicodeDomain(domain))},${luaString(name)})`,
    ]);
    return done === "true";
  }

  /** An invitation to make an account of that name; each is for another one. */
  async invite(domain: string): Promise<Invitation> {
    const name = `${this.tag}-invited-${++this.#invited}`;
    const [answer] = await ask(this.host, [
      `return throw_away_invite(${luaString(unicodeDomain(domain))},${luaString(name)})`,
    ]);
    if (!answer || answer === "nil") throw new Error("the module invites is not loaded");
    const [token = "", page] = answer.trim().split(" ");
    return { name, token, page };
  }

  /** Removes accounts, rooms and files of the run, with all their data. */
  async end(): Promise<void> {
    await ask(this.host, [`throw_away(${luaString(this.tag)})`]);
  }
}

async function ask(host: Host, commands: string[]): Promise<string[]> {
  const libraries = ["accounts", "throw-away"].map(luaSource);
  const replies = await adminShell(
    host,
    [...libraries, ...commands].map((code) => `> ${code}`),
    { doing: "working with throw-away accounts", changes: true, patience: backupPause },
  );
  const failed = replies.find(({ ok }) => !ok);
  if (failed) throw new Error(`${host.name}: throw-away accounts: Prosody answered: ${failed.text}`);
  return replies.slice(libraries.length).map(({ text }) => text);
}

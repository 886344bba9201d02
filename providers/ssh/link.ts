import { Secret } from "../../config/secret";
import type { HostSettings } from "../../config/settings";
import { wait } from "../wait";
import { connect, endpointName } from "./connect";
import { type Connection, NotStarted, type Running } from "./connection";
import { lastLines, sentences } from "./errors";
import type { Outcome } from "./exec";
import { type Access, parseProbe, passwordProbe, probeCommand, sudoReason } from "./root";

/** For how long a failed attempt speaks for the ones after it: milliseconds. */
const failureFor = 10_000;

/** Milliseconds between two tries to open a session. */
const retryAfter = 100;

const marked = new WeakSet<Error>();

/** An error that says why a host can't be worked on: it is down, refuses the login, or its sudo does. */
export function unreachable(message: string): Error {
  const error = new Error(message); // Pulumi prints plain errors alone, so it is marked and no class of its own
  marked.add(error);
  return error;
}

/** Whether an error was made by {@link unreachable}. */
export function isUnreachable(error: Error): boolean {
  return marked.has(error);
}

/** A connection over which scripts can run as root. */
export interface Link {
  connection: Connection;
  access: Access;
}

/**
 * The one connection to a host: made when first needed, shared by everybody, and made anew after it was lost.
 * A failure is remembered for ten seconds: a hundred resources must not wait for the same dead host in turn.
 */
export class SharedLink {
  #link: Promise<Link> | undefined;
  #failure: { error: Error; at: number } | undefined;

  /** @param open makes a connection; @param now milliseconds of a clock that never goes back */
  constructor(
    private readonly open: () => Promise<Link>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** @throws Error of the last attempt, which may have been somebody else's */
  get(): Promise<Link> {
    if (this.#failure && this.now() - this.#failure.at < failureFor)
      return Promise.reject(this.#failure.error);
    this.#link ??= this.#attempt();
    return this.#link;
  }

  /** The connection, if there is one now. */
  async current(): Promise<Link | undefined> {
    try {
      return await this.#link;
    } catch {
      return undefined;
    }
  }

  #attempt(): Promise<Link> {
    const attempt = this.open();
    const forget = () => {
      if (this.#link === attempt) this.#link = undefined;
    };
    attempt.then(
      ({ connection }) => connection.onLost(forget),
      (error: Error) => {
        forget();
        this.#failure = { error, at: this.now() };
      },
    );
    return attempt;
  }
}

/**
 * Connects to a host and finds out how scripts become root there.
 * @throws Error ({@link isUnreachable}) with user, address and port, the reason and what to do
 */
export async function openLink(settings: HostSettings): Promise<Link> {
  try {
    return await logIn(settings);
  } catch (error) {
    throw unreachable(
      sentences(
        (error as Error).message,
        "until then, `pulumi up --refresh=false` works on whatever else is in the stack",
      ),
    );
  }
}

/**
 * The same where there is no stack yet.
 * @param askSudo asked for a password where sudo wants one that the settings don't have, and again with the reason
 *   after a refusal
 * @throws Error with user, address and port, the reason and what to do
 */
export async function logIn(
  settings: HostSettings,
  askSudo?: (refusal?: string) => Promise<Secret>,
): Promise<Link> {
  try {
    const connection = await connect(settings);
    connection.hold();
    try {
      return { connection, access: await findAccess(connection, settings, askSudo) };
    } catch (error) {
      connection.end();
      throw error;
    } finally {
      connection.release();
    }
  } catch (error) {
    throw new Error(sentences(`can't connect to ${endpointName(settings)}: ${(error as Error).message}`));
  }
}

async function findAccess(
  connection: Connection,
  { user, sudo, connectTimeout }: HostSettings,
  askSudo?: (refusal?: string) => Promise<Secret>,
): Promise<Access> {
  const giveUp = performance.now() + connectTimeout * 1000;
  // A host that allows one session at a time (MaxSessions) is slow to forget the one before.
  const start = (command: string, input: Buffer): Promise<Running> =>
    connection.start(command, input, connectTimeout).catch(async (error: Error) => {
      const again = error instanceof NotStarted && !connection.lost && performance.now() < giveUp;
      if (!again)
        throw new Error(
          `the login of ${user} worked, but no session: ${error.message}. See \`journalctl -u ssh -u sshd -u systemd-logind\` on the host's console; where pam_systemd waits for user@.service, \`systemctl mask user@.service\` helps`,
        );
      await wait(retryAfter);
      return start(command, input);
    });
  const ask = async (command: string, input = ""): Promise<Outcome> => {
    const running = await start(command, Buffer.from(input));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const error = `the login shell of ${user} or sudo did not end within ${connectTimeout} s. See what its login scripts wait for`;
      timer = setTimeout(() => reject(new Error(error)), connectTimeout * 1000);
    });
    return Promise.race([running.outcome, late]).finally(() => clearTimeout(timer));
  };

  const probe = await ask(probeCommand(sudo !== false));
  if (probe.code === undefined && connection.lost) throw new Error(connection.lost);
  const later = sudo && askSudo ? { password: sudo.password ?? new Secret("") } : sudo;
  const access = parseProbe(probe.stdout || lastLines(probe.stderr), user, later);
  if (access.root !== "password") return access;
  let password = (sudo ? sudo.password : undefined) ?? (await askSudo!());
  for (;;) {
    const tried = await ask(passwordProbe, `${password.reveal()}\n`);
    if (tried.code === 0) return { ...access, password };
    const reason = sudoReason(tried.stderr, user, true);
    if (!askSudo) throw new Error(reason);
    password = await askSudo(reason);
  }
}

import { releaseOf } from "../config/release";
import type { Server } from "../config/settings";
import { backupPause, lua } from "../providers/admin-shell";
import type { Host } from "../providers/host";
import type { Check, Context, Road } from "./check";
import { FailedElsewhere, Untested } from "./check";
import { checks } from "./checks";
import { type Expected, expectedOf } from "./expected";
import { type Network, openDirectTls, openStarttls } from "./net/tls";
import { type Line, type Opened, runChecks } from "./runner";
import { ThrowAway } from "./throw-away";
import { loadLibrary } from "./xmpp/library";
import { type Credentials, Session, type Way } from "./xmpp/session";

export interface RunOptions {
  server: Server;
  host: Host;
  network: Network;
  /** Domain or JID of a server to federate with. */
  peer?: string;
  /** Part of the name or specification of the checks to run; default all. */
  only?: string;
  /** Ends the run early, with its accounts removed. */
  signal?: AbortSignal;
}

/** The version of a server, and what became of every check. */
export interface Report {
  version: string;
  lines: Line[];
}

/** Checks that run at the same time: more would wait for this machine's processor, and then take longer than they should. */
const parallel = 8;

/** Seconds for one check. */
const timeout = 30;

/**
 * Plays users of a server, with accounts that are made for it and removed at its end.
 * @throws Error when that can't be done: the host is not reached, or Prosody does not answer there
 */
export async function verify(options: RunOptions): Promise<Report> {
  const { server, host } = options;
  await loadLibrary();
  const version = await lua(host, "return prosody.version", {
    doing: "asking for Prosody's version",
    patience: backupPause,
  });
  const expected = expectedOf(server, releaseOf(version));
  const chosen = checks.filter((check) => isMeant(check, options.only));
  const throwAway = await ThrowAway.begin(host);
  try {
    const players = await Players.gather(options, throwAway, expected, chosen);
    const lines = await runChecks(chosen, expected, {
      open: (check, on) => players.open(check, on),
      parallel,
      timeout,
      signal: options.signal,
    });
    return { version, lines };
  } finally {
    await throwAway.end();
  }
}

function isMeant({ name, spec }: Check, only: string | undefined): boolean {
  return only === undefined || `${spec} ${name}`.toLowerCase().includes(only.toLowerCase());
}

/** The accounts of a run, and how each check logs in with its own. */
class Players {
  readonly #accounts: Map<string, Credentials[]>;
  readonly #roads = new Map<string, Promise<Way>>();
  #contexts = 0;

  private constructor(
    private readonly options: RunOptions,
    private readonly throwAway: ThrowAway,
    accounts: Map<string, Credentials[]>,
    /** Virtual host → an account that may create rooms there where only administrators may. */
    private readonly creators: Map<string, Credentials | undefined>,
    private readonly expected: readonly Expected[],
  ) {
    this.#accounts = accounts;
  }

  static async gather(
    options: RunOptions,
    throwAway: ThrowAway,
    expected: readonly Expected[],
    chosen: readonly Check[],
  ): Promise<Players> {
    const perHost = chosen.reduce((sum, { accounts = 1 }) => sum + accounts, 0);
    const accounts = new Map<string, Credentials[]>();
    const creators = new Map<string, Credentials | undefined>();
    for (const { domain, server } of expected) {
      options.signal?.throwIfAborted();
      const made = await throwAway.make(domain, perHost + 2);
      const creator = made.pop()!;
      accounts.set(domain, made);
      if (server.conference.creators === "admins")
        creators.set(domain, (await throwAway.promote(creator)) ? creator : undefined);
    }
    return new Players(options, throwAway, accounts, creators, expected);
  }

  /** A context with accounts that no other check gets. */
  open(check: Check, expected: Expected): Opened {
    const { network, peer, server } = this.options;
    const { domain } = expected;
    const accounts = this.#accounts.get(domain)!.splice(1, check.accounts ?? 1);
    const sessions: Promise<Session>[] = [];
    let devices = 0;
    const resource = ++this.#contexts; // checks may visit with the same account
    let isClosed = false;
    const logIn = async (account: Credentials, way: Way | Promise<Way>) => {
      const session = Session.open(account, await way, `device${++devices}-${resource}`);
      sessions.push(session);
      if (isClosed) void session.then((late) => late.end()).catch(() => undefined);
      return session;
    };
    const context: Context = {
      expected,
      network,
      accounts,
      tag: `${this.throwAway.tag}-${resource}`,
      peer,
      login: (index = 0) => logIn(accounts[index]!, this.#road(expected)),
      loginOver: (road, index = 0) => logIn(accounts[index]!, wayOver(road, network, expected)),
      loginAsCreator: async () => {
        if (server.conference.creators !== "admins") return logIn(accounts[0]!, this.#road(expected));
        const creator = this.creators.get(domain);
        if (!creator)
          throw new Untested("only administrators may create rooms, and verify has none on this release");
        return logIn(creator, this.#road(expected));
      },
      loginElsewhere: async () => {
        const other = this.expected.find((host) => host.domain !== domain);
        if (!other) return undefined;
        // The first account of each virtual host is nobody's own; others only visit with it.
        return logIn(this.#accounts.get(other.domain)![0]!, this.#road(other));
      },
      invite: () => this.throwAway.invite(domain),
    };
    return {
      ...context,
      close: async () => {
        isClosed = true;
        const opened = await Promise.allSettled(sessions);
        await Promise.all(opened.flatMap((end) => (end.status === "fulfilled" ? end.value.end() : [])));
      },
    };
  }

  /** The first road that works, so that a port that is shut fails its own check alone. */
  #road(expected: Expected): Promise<Way> {
    const { domain } = expected;
    let road = this.#roads.get(domain);
    if (!road) {
      road = firstRoad(this.options.network, expected);
      this.#roads.set(domain, road);
    }
    return road;
  }
}

async function firstRoad(network: Network, expected: Expected): Promise<Way> {
  const failures: string[] = [];
  for (const road of ["direct TLS", "starttls"] as const) {
    const way = wayOver(road, network, expected);
    if (!("open" in way)) continue;
    try {
      (await way.open()).destroy();
      return way;
    } catch (error) {
      failures.push((error as Error).message);
    }
  }
  throw new FailedElsewhere(
    `nobody can connect: ${failures.join("; ")}`,
    "what the lines of log-ins say, such as DNS records; --address does without DNS",
  );
}

function wayOver(road: Road, network: Network, { unicode }: Expected): Way {
  if (typeof road === "object" && "websocket" in road) return { network, url: road.websocket };
  if (road === "direct TLS") return { open: () => openDirectTls(network, unicode) };
  return { open: () => openStarttls(network, unicode), ...(road !== "starttls" && road) };
}

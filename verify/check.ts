import type { Expected } from "./expected";
import type { Network } from "./net/tls";
import type { Device } from "./xmpp/hashed-token";
import type { Credentials, Session } from "./xmpp/session";

/** Public test suites that a line belongs to: of 15 tests (2017); of today, with 21 that are required and 4 that inform. */
export type Suite = "classic" | "current" | "informational";

/** Whether the stack config promises a feature. */
export type Expectation =
  | "expected"
  /** Switched off by the stack config, and by what. */
  | { off: string }
  /** The installed release of Prosody can't do it. */
  | { notIn: string };

/** Something that users do with the server. */
export interface Check {
  /** As people know it: "Message Carbons". */
  name: string;
  /** `XEP-0280` or `RFC 6121`. */
  spec: string;
  suites?: readonly Suite[];
  /** The option that turns it green. */
  option: string;
  expect(expected: Expected): Expectation;
  /** How many accounts it needs, all its own; default 1. */
  accounts?: number;
  /** @returns a text that is worth knowing beside "PASSED", if any. @throws Error with what is wrong; {@link Untested}, {@link FailedElsewhere} */
  run(context: Context): Promise<unknown>;
}

/** It can't be tried from here, which is no failure: the message says why. */
export class Untested extends Error {}

/** It fails for another reason than what it tries: that is what turns it green, not {@link Check.option}. */
export class FailedElsewhere extends Error {
  constructor(
    message: string,
    readonly option: string,
  ) {
    super(message);
  }
}

/** How a client connects and logs in: `sasl2` is STARTTLS with the log-in of XEP-0388, by that device. */
export type Road = "starttls" | "direct TLS" | { sasl2: Device } | { websocket: string };

/** What a check works with. */
export interface Context {
  readonly expected: Expected;
  readonly network: Network;
  /** Throw-away accounts that nobody else uses. */
  readonly accounts: readonly Credentials[];
  /** Names that nobody else uses, and that are removed with the run: for rooms. */
  readonly tag: string;
  /** A server that this one should federate with. */
  readonly peer?: string;
  /** Logs in with one of the accounts, by whatever road works; ended with the check. */
  login(account?: number): Promise<Session>;
  /** Logs in over one road. */
  loginOver(road: Road, account?: number): Promise<Session>;
  /** A session that may create rooms. */
  loginAsCreator(): Promise<Session>;
  /** A session on another virtual host, if the stack has one. */
  loginElsewhere(): Promise<Session | undefined>;
  invite(): Promise<Invitation>;
}

/** An invitation to make the account of one name. */
export interface Invitation {
  name: string;
  token: string;
  /** URL of the page that explains it. */
  page?: string;
}

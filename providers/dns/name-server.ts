import type { RecordSet, RecordType } from "../../dns/record-set";

/** What the handler of record sets may ask of a name server. The one over TCP is `TcpNameServer`. */
export interface NameServer {
  /** Address and port, for errors. */
  readonly name: string;
  /** Whether records that somebody else made are replaced. */
  readonly takeOver: boolean;
  /**
   * The zone that a name lies in.
   * @throws Error when the server is not its authority
   */
  zoneOf(name: string): Promise<string>;
  /** The records of a name and type; `undefined` when there are none. */
  read(name: string, type: RecordType): Promise<Pick<RecordSet, "ttl" | "values"> | undefined>;
  /**
   * Whether the zone itself has records of a name and type. What a wildcard answers instead (RFC 4592) ends as soon as
   * anything is made at or below the name, and can't be taken away there.
   */
  has(zone: string, name: string, type: RecordType): Promise<boolean>;
  /**
   * Changes a record set, at once and as a whole. Changes that arrive while one is in flight go together.
   * @throws Taken when the name has records that can't stand beside these
   */
  change(zone: string, change: Change): Promise<void>;
}

/** A change of one record set. */
export interface Change {
  name: string;
  type: RecordType;
  ttl: number;
  /** Values to take away first; those that are not there do no harm. */
  remove: readonly string[];
  add: readonly string[];
  /**
   * What must not be there, because nothing can stand beside an alias: `alias`, or `anything` where this is to become
   * one. (A server would ignore the change and report success.)
   */
  unless?: "alias" | "anything";
  /** An alias of this name goes first, wherever it leads. */
  overAlias?: boolean;
}

/** What a change must not meet is there. */
export class Taken extends Error {}

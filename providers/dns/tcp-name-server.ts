import type { NameServerAccess } from "../../config/settings";
import { enclosing, type RecordSet, type RecordType } from "../../dns/record-set";
import { GroupCommit } from "../ssh/group";
import { exchange } from "./exchange";
import {
  classes,
  decodeMessage,
  encodeMessage,
  type FoundRecord,
  type Message,
  opcodes,
  type WireRecord,
} from "./message";
import { type Change, type NameServer, Taken } from "./name-server";
import { decodeData, encodeData, typeNumbers } from "./record-data";
import { sign, verify } from "./tsig";

/** Response codes (RFC 1035, 4.1.1; RFC 2136, 2.2). */
const rcodes = {
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
} as const;

/** Requests on one connection, and changes in one message. */
const most = 50;

/** A name server over TCP: every request is signed, every answer verified (TSIG). */
export class TcpNameServer implements NameServer {
  readonly name: string;
  readonly takeOver: boolean;
  readonly #requests = new GroupCommit<Buffer, Buffer>();
  readonly #changes = new Map<string, GroupCommit<Change, void>>();
  #lastId = Math.floor(Math.random() * 0x10000);

  constructor(private readonly access: NameServerAccess) {
    const { address, port } = access;
    this.name = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
    this.takeOver = access.takeOver;
  }

  async zoneOf(name: string): Promise<string> {
    const { rcode, answers, authority } = await this.#ask(name, typeNumbers.SOA);
    if (rcode === rcodes.REFUSED) throw this.#error(this.#notOurs(name));
    // An alias leads to the zone of its target.
    const isAlias = answers.some(({ type }) => type === typeNumbers.CNAME);
    const zones = [...answers, ...authority].flatMap((each) =>
      each.type === typeNumbers.SOA ? [each.name] : [],
    );
    const zone = isAlias ? undefined : enclosing(name, zones);
    if (zone !== undefined) return zone;
    const [, parent] = /^[^.]*\.(.+)$/.exec(name) ?? [];
    if (parent === undefined) throw this.#error(this.#notOurs(name));
    return this.zoneOf(parent);
  }

  async read(name: string, type: RecordType): Promise<Pick<RecordSet, "ttl" | "values"> | undefined> {
    const { message, ...found } = await this.#ask(name, typeNumbers[type]);
    const { rcode, isAuthoritative } = found;
    if (rcode === rcodes.REFUSED || (rcode === 0 && !isAuthoritative)) throw this.#error(this.#notOurs(name));
    if (rcode !== 0 && rcode !== rcodes.NXDOMAIN)
      throw this.#error(`the question for ${name} ${type} failed: ${nameOf(rcode)}. See its log`);
    const records = found.answers.filter((each) => each.name === name && each.type === typeNumbers[type]);
    if (records.length === 0) return undefined;
    const values = records.map((each) => this.#textOf(type, message, each));
    return { ttl: records[0]!.ttl, values: values.sort() };
  }

  async has(zone: string, name: string, type: RecordType): Promise<boolean> {
    // Only the prerequisites of an update look past wildcards (RFC 2136, 2.4.1); this one has nothing else.
    const { rcode } = await this.#send({
      opcode: opcodes.update,
      question: { name: zone, type: typeNumbers.SOA },
      answers: [{ name, type: typeNumbers[type], class: classes.ANY, ttl: 0, data: Buffer.alloc(0) }],
    });
    if (rcode === rcodes.NXRRSET || rcode === rcodes.NXDOMAIN) return false;
    if (rcode === 0) return true;
    throw this.#error(this.#updateFailure(zone, rcode, [{ name, type }]));
  }

  change(zone: string, change: Change): Promise<void> {
    let group = this.#changes.get(zone);
    if (!group) {
      group = new GroupCommit<Change, void>();
      this.#changes.set(zone, group);
    }
    return group.add(change, (changes) => this.#commit(zone, changes));
  }

  /** All in one message, unless one of them can't be done: then each for itself, to spare the others. */
  async #commit(zone: string, changes: readonly Change[]): Promise<(undefined | Error)[]> {
    const results: (undefined | Error)[] = [];
    for (let from = 0; from < changes.length; from += most) {
      const part = changes.slice(from, from + most);
      const result = await this.#update(zone, part).catch((error: Error) => error);
      if ((result instanceof Taken || result instanceof NotAllowed) && part.length > 1)
        for (const each of part)
          results.push(await this.#update(zone, [each]).catch((error: Error) => error));
      else results.push(...part.map(() => result ?? undefined));
    }
    return results;
  }

  async #update(zone: string, changes: readonly Change[]): Promise<undefined> {
    const { rcode } = await this.#send({
      opcode: opcodes.update,
      question: { name: zone, type: typeNumbers.SOA },
      answers: changes.flatMap(prerequisites),
      authority: changes.flatMap(records),
    });
    if (rcode === 0) return undefined;
    if (rcode === rcodes.YXRRSET || rcode === rcodes.YXDOMAIN)
      throw new Taken(`${this.name}: ${nameOf(rcode)}`);
    const failure = this.#error(this.#updateFailure(zone, rcode, changes));
    throw rcode === rcodes.REFUSED ? new NotAllowed(failure.message) : failure;
  }

  #updateFailure(zone: string, rcode: number, sets: readonly Pick<Change, "name" | "type">[]): string {
    const { name } = this.access.key;
    switch (rcode) {
      case rcodes.REFUSED:
        return `it does not let the key ${name} change ${sets.map((set) => `${set.name} ${set.type}`).join(", ")} in the zone ${zone}. Allow it there (BIND: update-policy or allow-update in the zone)`;
      case rcodes.NOTAUTH:
        return `it is not the primary name server of the zone ${zone}. Give that in prosody:dns.nameServer`;
      case rcodes.NOTIMP:
        return "it takes no dynamic updates (RFC 2136). Name one that does in prosody:dns.nameServer, or leave prosody:dns.provider out and make the records by hand";
      case rcodes.SERVFAIL:
        return `it failed to change the zone ${zone}. See its log; it must be able to write the zone's journal`;
      default:
        return `the change of the zone ${zone} failed: ${nameOf(rcode)}. See its log`;
    }
  }

  #notOurs(name: string): string {
    return `it does not answer for ${name} as the authority. Give the zone's primary name server in prosody:dns.nameServer, and let the key ${this.access.key.name} read the zone (BIND: allow-query)`;
  }

  #ask(name: string, type: number): Promise<Message & { message: Buffer }> {
    return this.#send({ opcode: opcodes.query, question: { name, type } });
  }

  async #send(
    request: Omit<Parameters<typeof encodeMessage>[0], "id">,
  ): Promise<Message & { message: Buffer }> {
    this.#lastId = (this.#lastId + 1) % 0x10000;
    const { key } = this.access;
    const signed = sign(encodeMessage({ ...request, id: this.#lastId }), key, now());
    const message = await this.#requests.add(signed.message, (requests) => this.#exchange(requests));
    try {
      const answer = decodeMessage(message);
      const isUnsigned = answer.additional.at(-1)?.type !== typeNumbers.TSIG;
      // Who can't read a request can't sign the answer either; nothing is concluded from it but a failure.
      if (isUnsigned && answer.rcode !== 0)
        throw new Error(
          `it answered ${nameOf(answer.rcode)}, without a signature. See its log, and whether prosody:dns.nameServer is the primary name server of the zone`,
        );
      verify(message, key, signed.mac, now());
      return { ...answer, message };
    } catch (error) {
      throw this.#error(
        error instanceof RangeError
          ? `its answer is damaged (${error.message}). See whether prosody:dns.nameServer and its port are those of a name server`
          : (error as Error).message,
      );
    }
  }

  async #exchange(requests: readonly Buffer[]): Promise<Buffer[]> {
    const answers: Buffer[] = [];
    for (let from = 0; from < requests.length; from += most)
      answers.push(
        ...(await exchange(this.access, requests.slice(from, from + most)).catch((error: Error) => {
          throw this.#error(error.message);
        })),
      );
    return answers;
  }

  #textOf(type: RecordType, message: Buffer, { dataStart, data }: FoundRecord): string {
    return decodeData(type, message, dataStart, data.length);
  }

  #error(what: string): Error {
    return new Error(`name server ${this.name}: ${what}.`.replace(/([.?])\.$/, "$1"));
  }
}

/** The key may not do one of the changes, be it for the name, the type or the zone. */
class NotAllowed extends Error {}

/** RFC 2136, 2.4. */
function prerequisites({ name, unless }: Change): WireRecord[] {
  if (!unless) return [];
  const type = unless === "alias" ? typeNumbers.CNAME : typeNumbers.ANY;
  return [{ name, type, class: classes.NONE, ttl: 0, data: Buffer.alloc(0) }];
}

/** RFC 2136, 2.5. */
function records({ name, type, ttl, remove, add, overAlias }: Change): WireRecord[] {
  const record = (value: string) => ({ name, type: typeNumbers[type], data: encodeData(type, value) });
  const alias = { name, type: typeNumbers.CNAME, class: classes.ANY, ttl: 0, data: Buffer.alloc(0) };
  return [
    ...(overAlias ? [alias] : []),
    ...remove.map((value) => ({ ...record(value), class: classes.NONE, ttl: 0 })),
    ...add.map((value) => ({ ...record(value), class: classes.IN, ttl })),
  ];
}

function nameOf(rcode: number): string {
  const [name] =
    Object.entries({ FORMERR: 1, ...rcodes, NOTZONE: 10 }).find(([, code]) => code === rcode) ?? [];
  return name ?? `response code ${rcode}`;
}

const now = () => Math.floor(Date.now() / 1000);

import assert from "node:assert/strict";
import type { EventEmitter } from "node:events";
import type { Token } from "./hashed-token";

/** An element of XML, as ltx has it, the parser of xmpp.js. */
export interface Element {
  name: string;
  attrs: Record<string, string>;
  children: (Element | string)[];
  is(name: string, namespace?: string): boolean;
  getNS(): string;
  getChild(name: string, namespace?: string): Element | undefined;
  getChildren(name: string, namespace?: string): Element[];
  getChildElements(): Element[];
  getChildText(name: string, namespace?: string): string | null;
  text(): string;
  toString(): string;
}

export type Child = Element | string | undefined | false;
type Attributes = Record<string, string | undefined>;

interface Mechanisms {
  _mechs: unknown[];
  use(mechanism: unknown): void;
}

/** What is used of a client of xmpp.js. */
export interface Client extends EventEmitter {
  status: string;
  timeout: number;
  jid: { toString(): string } | null;
  transports: Transport[];
  socket: EventEmitter | null;
  saslFactory: Mechanisms;
  /** XEP-0484 */
  fast: { saslFactory: Mechanisms; saveToken(token: Token): Promise<void> };
  reconnect: { stop(): void; reconnect(): Promise<void> };
  streamManagement: EventEmitter & { enabled: boolean; id: string };
  iqCallee: {
    get(namespace: string, name: string, handler: (context: { stanza: Element }) => Element): void;
  };
  start(): Promise<unknown>;
  stop(): Promise<unknown>;
  send(element: Element): Promise<void>;
}

/** A class that carries a stream; xmpp.js takes the first whose `socketParameters` knows the service's URI. */
type Transport = {
  new (): unknown;
  prototype: { Socket: unknown; socketParameters(uri: string): unknown };
};

export type Authentication = (
  authenticate: (credentials: object, mechanism: string, userAgent?: Element) => Promise<void>,
  mechanisms: string[],
) => Promise<void>;

interface Library {
  client(options: {
    service: string;
    domain: string;
    username: string;
    resource?: string;
    credentials: Authentication;
  }): Client;
  xml(name: string, attributes?: Attributes | string, ...children: Child[]): Element;
}

let loaded: Library | undefined;

/** Loads xmpp.js, which is an ES module, so that it can't be required. To be awaited before anything else here. */
export async function loadLibrary(): Promise<void> {
  loaded ??= (await import("@xmpp/client" as string)) as unknown as Library;
}

export function library(): Library {
  assert(loaded, "loadLibrary was not awaited");
  return loaded;
}

/** Makes an element: `xml("ping", "urn:xmpp:ping")`, `xml("iq", { type: "get" }, child)`. */
export function xml(name: string, attributes: Attributes | string = {}, ...children: Child[]): Element {
  const given = typeof attributes === "string" ? { xmlns: attributes } : attributes;
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return library().xml(name, set, ...children.filter((child) => child !== undefined && child !== false));
}

import { type Child, type Element, xml } from "../xmpp/library";
import type { Session } from "../xmpp/session";

/** @throws Error with that message */
export function fail(message: string): never {
  throw new Error(message);
}

/** @throws Error with that message unless the condition holds */
export function must(condition: unknown, message: string): asserts condition {
  if (!condition) fail(message);
}

/** What the server says that an address can do (XEP-0030). */
export async function infoOf(session: Session, jid: string, node?: string): Promise<Element> {
  const answer = await session.get(
    jid,
    xml("query", { xmlns: "http://jabber.org/protocol/disco#info", node }),
  );
  return answer.getChild("query") ?? fail(`${jid} tells nothing of itself`);
}

export async function featuresOf(session: Session, jid: string): Promise<Set<string>> {
  const info = await infoOf(session, jid);
  return new Set(info.getChildren("feature").map(({ attrs }) => attrs.var!));
}

/** @throws Error that names the feature when the address does not announce it */
export async function mustAnnounce(session: Session, jid: string, ...features: string[]): Promise<void> {
  const announced = await featuresOf(session, jid);
  for (const feature of features) must(announced.has(feature), `${jid} does not announce ${feature}`);
}

/** The condition of the stanza error that a request ends with. @throws Error with `otherwise` when it succeeds */
export async function refusal(request: Promise<unknown>, otherwise: string): Promise<string> {
  return request.then(
    () => fail(otherwise),
    (error: Error & { condition?: string }) => {
      if (error.name !== "StanzaError") throw error;
      return error.condition ?? "";
    },
  );
}

/** A form (XEP-0004) to be sent; a list as a value for `text-multi` and the like. */
export function form(type: string, fields: Record<string, string>): Element {
  const field = (name: string, value: string, kind?: string) =>
    xml("field", { var: name, type: kind }, xml("value", {}, value));
  const list = Object.entries(fields).map(([name, value]) => field(name, value));
  return xml("x", { xmlns: "jabber:x:data", type: "submit" }, field("FORM_TYPE", type, "hidden"), ...list);
}

/** Names and values of a form. */
export function formFields(form: Element): Record<string, string[]> {
  return Object.fromEntries(
    form
      .getChildren("field")
      .map((field) => [field.attrs.var!, field.getChildren("value").map((value) => value.text())]),
  );
}

const pubsub = "http://jabber.org/protocol/pubsub";

/** Publishes one item of one's own (XEP-0163). */
export function publish(
  session: Session,
  node: string,
  payload: Child,
  options: { id?: string; access?: "open" | "presence" | "whitelist"; more?: Record<string, string> } = {},
): Promise<Element> {
  const { id = "current", access, more } = options;
  const settings = { ...(access && { "pubsub#access_model": access }), ...more };
  return session.set(
    undefined,
    xml(
      "pubsub",
      pubsub,
      xml("publish", { node }, xml("item", { id }, payload)),
      Object.keys(settings).length > 0 &&
        xml("publish-options", {}, form(`${pubsub}#publish-options`, settings)),
    ),
  );
}

/** Items of a node, of somebody or of one's own. */
export async function itemsOf(session: Session, node: string, owner?: string): Promise<Element[]> {
  const answer = await session.get(owner, xml("pubsub", pubsub, xml("items", { node })));
  return answer.getChild("pubsub")?.getChild("items")?.getChildren("item") ?? [];
}

/** Makes two users contacts of each other, each seeing the other's presence (RFC 6121). */
export async function befriend(a: Session, b: Session): Promise<void> {
  const presence = (to: Session, type: string) => xml("presence", { to: to.bare, type });
  const asks = (stanza: Element) => stanza.is("presence") && stanza.attrs.type === "subscribe";
  const agrees = (stanza: Element) => stanza.is("presence") && stanza.attrs.type === "subscribed";
  // Only a session that has asked for its contact list is told what becomes of it.
  for (const one of [a, b]) await one.get(undefined, xml("query", "jabber:iq:roster"));
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    await one.send(presence(other, "subscribe"));
    await other.next("the request for a subscription", asks);
    await other.send(presence(one, "subscribed"));
    await one.next("the approval of a subscription", agrees);
  }
}

/** Asks an archive for a page of what it has (XEP-0313). */
export async function archivePage(
  session: Session,
  archive: string | undefined,
  filter: { with?: string; after?: string; max: number },
): Promise<{ messages: Element[]; last?: string; complete: boolean }> {
  const queryid = `q${filter.after ?? ""}${filter.max}`;
  const answer = await session.set(
    archive,
    xml(
      "query",
      { xmlns: "urn:xmpp:mam:2", queryid },
      form("urn:xmpp:mam:2", filter.with ? { with: filter.with } : {}),
      xml(
        "set",
        "http://jabber.org/protocol/rsm",
        xml("max", {}, String(filter.max)),
        filter.after !== undefined && xml("after", {}, filter.after),
      ),
    ),
  );
  const fin = answer.getChild("fin", "urn:xmpp:mam:2") ?? fail("the archive does not say where it ends");
  const messages: Element[] = [];
  const isResult = (stanza: Element) =>
    stanza.getChild("result", "urn:xmpp:mam:2")?.attrs.queryid === queryid;
  while (session.has(isResult)) {
    const result = (await session.next("a result", isResult)).getChild("result")!;
    messages.push(result.getChild("forwarded")!.getChild("message")!);
  }
  const last = fin.getChild("set")?.getChildText("last") ?? undefined;
  return { messages, last, complete: fin.attrs.complete === "true" };
}

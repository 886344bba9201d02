import { randomBytes } from "node:crypto";
import { type Check, type Context, Untested } from "../check";
import { all, byModule, byService } from "../expected";
import { type Element, xml } from "../xmpp/library";
import { type Session, uniqueId } from "../xmpp/session";
import { archivePage, featuresOf, form, must, mustAnnounce, refusal } from "./help";

const muc = "http://jabber.org/protocol/muc";

/** Chat rooms. */
export const roomChecks: Check[] = [
  {
    name: "Multi-User Chat",
    spec: "XEP-0045",
    suites: ["classic", "current"],
    option: "prosody:conference",
    expect: byService("rooms"),
    accounts: 2,
    async run(context) {
      const { expected, login } = context;
      const [owner, guest] = await Promise.all([context.loginAsCreator(), login(1)]);
      const items = await guest.get(guest.domain, xml("query", "http://jabber.org/protocol/disco#items"));
      must(
        items.toString().includes(`'${expected.rooms}'`) || items.toString().includes(`"${expected.rooms}"`),
        `the server does not tell of ${expected.rooms}`,
      );
      await mustAnnounce(guest, expected.rooms!, muc);
      const room = await openRoom(context, owner);
      await enter(guest, room, "guest");
      const id = await sayIn(guest, room, "hello");
      const heard = await owner.message(id, "the message in the room");
      must(heard.attrs.from === `${room}/guest`, "the speaker is another");
    },
  },
  {
    name: "Who may create rooms",
    spec: "XEP-0045",
    option: "prosody:conference.creators",
    expect: byService("rooms"),
    accounts: 2,
    async run(context) {
      const { creators } = context.expected.server.conference;
      if (creators === "everyone") {
        const stranger = await context.loginElsewhere();
        if (!stranger) throw new Untested("there is no second virtual host whose users could try");
        await openRoom(context, stranger);
        return "everyone";
      }
      const outsider = creators === "admins" ? await context.login(1) : await context.loginElsewhere();
      if (creators === "local") await openRoom(context, await context.login(0));
      if (!outsider) return "local; strangers not tried, with one virtual host";
      const answer = await enter(outsider, roomName(context), "owner").then(
        () => "a room",
        (error: Error) => error.message,
      );
      must(answer === "not-allowed", `who may not create rooms gets ${answer}`);
      return creators;
    },
  },
  {
    name: "Message Archive Management (MUC)",
    spec: "XEP-0313",
    suites: ["classic", "current"],
    option: "prosody:modules with muc_mam",
    expect: byService("rooms", "muc_mam"),
    accounts: 2,
    async run(context) {
      const [owner, guest] = await Promise.all([context.loginAsCreator(), context.login(1)]);
      const room = await openRoom(context, owner);
      await mustAnnounce(owner, room, "urn:xmpp:mam:2");
      await owner.message(await sayIn(owner, room, "said before"));
      await enter(guest, room, "guest");
      const { messages } = await archivePage(guest, room, { max: 10 });
      const bodies = messages.flatMap((message) => message.getChildText("body") ?? []);
      must(bodies.join() === "said before", `the archive has ${bodies.join(", ") || "nothing"}`);
    },
  },
  {
    name: "Occupant identifiers for anonymous rooms",
    spec: "XEP-0421",
    suites: ["current"],
    option: "prosody:conference",
    expect: byService("rooms"),
    async run(context) {
      const owner = await context.loginAsCreator();
      const room = roomName(context);
      const presence = await enter(owner, room, "owner");
      await mustAnnounce(owner, room, "urn:xmpp:occupant-id:0");
      must(
        presence.getChild("occupant-id", "urn:xmpp:occupant-id:0")?.attrs.id,
        "an occupant has no identifier",
      );
    },
  },
  {
    name: "Avatars of rooms",
    spec: "XEP-0486",
    option: "prosody:modules with vcard_muc",
    expect: (expected) =>
      (expected.release === "0.12" ? byService("rooms", "vcard_muc") : byService("rooms"))(expected),
    accounts: 2,
    async run(context) {
      const [owner, guest] = await Promise.all([context.loginAsCreator(), context.login(1)]);
      const room = await openRoom(context, owner);
      must((await featuresOf(owner, room)).has("vcard-temp"), "the room does not announce vcard-temp");
      const image = randomBytes(200).toString("base64");
      const photo = xml("PHOTO", {}, xml("TYPE", {}, "image/png"), xml("BINVAL", {}, image));
      await owner.set(room, xml("vCard", "vcard-temp", photo));
      const answer = await guest.get(room, xml("vCard", "vcard-temp"));
      must(
        answer.getChild("vCard")?.getChild("PHOTO")?.getChildText("BINVAL") === image,
        "the image is another",
      );
      const why = await refusal(
        guest.set(room, xml("vCard", "vcard-temp")),
        "everybody may change the avatar",
      );
      must(why === "forbidden" || why === "not-allowed", `a guest who changes the avatar is answered ${why}`);
    },
  },
  {
    name: "Moderated Message Retraction",
    spec: "XEP-0425",
    option: "prosody:extraModules with muc_moderation",
    expect: byService("rooms", "muc_moderation", "muc_mam"),
    accounts: 2,
    async run(context) {
      const [owner, guest] = await Promise.all([context.loginAsCreator(), context.login(1)]);
      const room = await openRoom(context, owner);
      const features = await featuresOf(owner, room);
      const version = [1, 0].find((number) => features.has(moderation(number)));
      must(version !== undefined, `${room} does not announce ${moderation(1)}`);
      await enter(guest, room, "guest");
      const said = await owner.message(await sayIn(guest, room, "said in haste"));
      const id = said.getChild("stanza-id", "urn:xmpp:sid:0")?.attrs.id;
      must(id, "the room gives its messages no identifier");
      const request = () => takeBack(version, id);
      const why = await refusal(guest.set(room, request()), "any guest may take messages back");
      must(why === "forbidden", `a guest who takes a message back is answered ${why}`);
      await owner.set(room, request());
      await guest.next("the news that the message is taken back", (stanza) =>
        stanza
          .getChildElements()
          .some(({ name, attrs }) => /^(retract|apply-to)$/.test(name) && attrs.id === id),
      );
      const { messages } = await archivePage(owner, room, { max: 10 });
      must(
        !messages.some((message) => message.getChildText("body") === "said in haste"),
        "the archive still has it",
      );
    },
  },
  {
    name: "Rooms of this server, for users of another of its domains",
    spec: "XEP-0045",
    option: "prosody:conference",
    expect: all(byService("rooms"), byModule("disco")),
    accounts: 1,
    async run(context) {
      const stranger = await context.loginElsewhere();
      if (!stranger) throw new Untested("the stack has one virtual host");
      const owner = await context.loginAsCreator();
      const room = await openRoom(context, owner);
      await enter(stranger, room, "stranger");
      await owner.message(await sayIn(stranger, room, "hello"), "the stranger's message");
    },
  },
];

const moderation = (version: number) => `urn:xmpp:message-moderate:${version}`;

/** Asks the room to take a message back for everybody; version 0 is what Debian 12 has. */
function takeBack(version: number, id: string): Element {
  const retract = xml("retract", `urn:xmpp:message-retract:${version}`);
  return version === 0
    ? xml("apply-to", { xmlns: "urn:xmpp:fasten:0", id }, xml("moderate", moderation(0), retract))
    : xml("moderate", { xmlns: moderation(1), id }, retract);
}

const roomName = ({ tag, expected }: Context) => `${tag}-${uniqueId().toLowerCase()}@${expected.rooms}`;

/** Makes a room with its default settings, by a creator who stays in it. */
async function openRoom(context: Context, owner: Session): Promise<string> {
  const room = roomName(context);
  const presence = await enter(owner, room, "owner");
  const codes = presence
    .getChild("x", `${muc}#user`)
    ?.getChildren("status")
    .map(({ attrs }) => attrs.code);
  must(codes?.includes("201"), "the room was there before");
  await owner.set(room, xml("query", `${muc}#owner`, form(`${muc}#roomconfig`, {})));
  return room;
}

/** @throws Error whose message is the condition of the stanza error */
async function enter(session: Session, room: string, nick: string): Promise<Element> {
  const address = `${room}/${nick}`;
  await session.send(xml("presence", { to: address }, xml("x", muc)));
  const answer = await session.next(
    `the answer of ${room}`,
    (stanza) => stanza.is("presence") && (stanza.attrs.from === address || stanza.attrs.from === room),
  );
  if (answer.attrs.type !== "error") return answer;
  const [condition] = answer.getChild("error")?.getChildElements() ?? [];
  throw new Error(condition?.name ?? "error");
}

async function sayIn(session: Session, room: string, body: string): Promise<string> {
  const id = uniqueId();
  await session.send(xml("message", { to: room, id, type: "groupchat" }, xml("body", {}, body)));
  return id;
}

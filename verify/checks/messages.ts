import type { Check } from "../check";
import { byModule } from "../expected";
import { type Element, xml } from "../xmpp/library";
import { archivePage, fail, must, mustAnnounce, refusal } from "./help";

/** Messages between two people, on one device and on several, now and later. */
export const messageChecks: Check[] = [
  {
    name: "A message from one to another",
    spec: "RFC 6121",
    option: "prosody:disabledModules without message",
    expect: () => "expected",
    accounts: 2,
    async run({ login }) {
      const [alice, bob] = await Promise.all([login(0), login(1)]);
      await bob.available();
      const message = await bob.message(await alice.say(bob.bare, "Grüße, <Bob> & Co. 🙂"));
      must(message.getChildText("body") === "Grüße, <Bob> & Co. 🙂", "the text is another");
      must(message.attrs.from === alice.jid, "the sender is another");
    },
  },
  {
    name: "Message Carbons",
    spec: "XEP-0280",
    suites: ["classic", "current"],
    option: "prosody:modules with carbons",
    expect: byModule("carbons"),
    accounts: 2,
    async run({ login }) {
      const [phone, desktop, friend] = await Promise.all([login(0), login(0), login(1)]);
      await mustAnnounce(desktop, desktop.domain, "urn:xmpp:carbons:2");
      await desktop.set(undefined, xml("enable", "urn:xmpp:carbons:2"));
      await Promise.all([phone.available(), desktop.available()]);
      const copy = (kind: string, id: string) => (stanza: Element) =>
        stanza.getChild(kind, "urn:xmpp:carbons:2")?.getChild("forwarded")?.getChild("message")?.attrs.id ===
        id;
      const received = await friend.say(phone.jid, "to the phone");
      await desktop.next("the copy of a received message", copy("received", received));
      const sent = await phone.say(friend.jid, "from the phone");
      await desktop.next("the copy of a sent message", copy("sent", sent));
    },
  },
  {
    name: "Message Archive Management",
    spec: "XEP-0313",
    suites: ["classic", "current"],
    option: "prosody:modules with mam",
    expect: byModule("mam"),
    accounts: 2,
    async run({ login }) {
      const [alice, bob] = await Promise.all([login(0), login(1)]);
      await mustAnnounce(bob, bob.bare, "urn:xmpp:mam:2");
      for (const body of ["one", "two", "three"]) await alice.say(bob.jid, body);
      await alice.settle();
      const first = await archivePage(bob, undefined, { with: alice.bare, max: 2 });
      must(
        bodies(first.messages) === "one two" && !first.complete,
        `the first page has ${bodies(first.messages)}`,
      );
      const second = await archivePage(bob, undefined, { with: alice.bare, max: 2, after: first.last });
      must(
        bodies(second.messages) === "three" && second.complete,
        `the second page has ${bodies(second.messages)}`,
      );
      const own = await archivePage(alice, undefined, { with: bob.bare, max: 5 });
      must(bodies(own.messages) === "one two three", `the sender's archive has ${bodies(own.messages)}`);
    },
  },
  {
    name: "Offline Message Storage",
    spec: "XEP-0160",
    suites: ["current"],
    option: "prosody:disabledModules without offline",
    expect: ({ server }) =>
      server.disabledModules.includes("offline") ? { off: "without the module offline" } : "expected",
    accounts: 2,
    async run({ login, accounts }) {
      const alice = await login(0);
      await mustAnnounce(alice, alice.domain, "msgoffline");
      const id = await alice.say(addressOf(accounts[1]!.jid, alice), "for later");
      await alice.settle();
      const bob = await login(1);
      await bob.available();
      const message = await bob.message(id, "the message sent while the recipient was offline");
      must(message.getChild("delay", "urn:xmpp:delay"), "the message does not say that it is late");
    },
  },
  {
    name: "Blocking Command",
    spec: "XEP-0191",
    suites: ["classic", "current"],
    option: "prosody:modules with blocklist",
    expect: byModule("blocklist"),
    accounts: 2,
    async run({ login }) {
      const [alice, pest] = await Promise.all([login(0), login(1)]);
      await mustAnnounce(alice, alice.domain, "urn:xmpp:blocking");
      await alice.available();
      const item = xml("item", { jid: pest.bare });
      await alice.set(undefined, xml("block", "urn:xmpp:blocking", item));
      const list = await alice.get(undefined, xml("blocklist", "urn:xmpp:blocking"));
      must(list.toString().includes(pest.bare), "the list does not have who was blocked");
      const unwanted = await pest.say(alice.bare, "spam");
      const why = await refusal(
        pest.get(alice.jid, xml("ping", "urn:xmpp:ping")),
        "who was blocked gets answers",
      );
      must(why === "service-unavailable", `who was blocked is answered ${why}`);
      await alice.set(undefined, xml("unblock", "urn:xmpp:blocking", xml("item", { jid: pest.bare })));
      await alice.message(await pest.say(alice.bare, "sorry"), "the message of somebody unblocked");
      must(!alice.has(({ attrs }) => attrs.id === unwanted), "what was blocked has arrived");
    },
  },
  {
    name: "Roster Versioning",
    spec: "XEP-0237",
    suites: ["classic", "current"],
    option: "prosody:modules with roster",
    expect: byModule("roster"),
    async run({ login }) {
      const session = await login();
      must(session.features?.getChild("ver", "urn:xmpp:features:rosterver"), "the server does not offer it");
      const roster = (ver: string) =>
        session.get(undefined, xml("query", { xmlns: "jabber:iq:roster", ver }));
      await roster("");
      const contact = `somebody@${session.domain}`;
      await session.set(
        undefined,
        xml("query", "jabber:iq:roster", xml("item", { jid: contact, name: "Some Body" })),
      );
      const full = (await roster("")).getChild("query") ?? fail("there is no contact list");
      must(full.getChild("item")?.attrs.jid === contact, "the new contact is not in the list");
      const { ver } = full.attrs;
      must(ver, "the list has no version");
      must(!(await roster(ver)).getChild("query"), "an unchanged list is sent again");
    },
  },
  {
    name: "Push Notifications",
    spec: "XEP-0357",
    suites: ["classic", "current"],
    option: "prosody:modules with cloud_notify",
    expect: byModule("cloud_notify"),
    accounts: 3,
    async run({ login, accounts }) {
      const [phone, friend, service] = await Promise.all([login(0), login(1), login(2)]);
      await mustAnnounce(phone, phone.bare, "urn:xmpp:push:0");
      await phone.set(
        undefined,
        xml("enable", { xmlns: "urn:xmpp:push:0", jid: service.jid, node: "phone" }),
      );
      await phone.end();
      await friend.say(addressOf(accounts[0]!.jid, friend), "wake up");
      const isPush = (stanza: Element) => stanza.is("iq") && stanza.getChild("pubsub") !== undefined;
      const push = await service.next("the notification for a user who is offline", isPush);
      const published = push.getChild("pubsub")!.getChild("publish");
      must(published?.attrs.node === "phone", "the notification is for another device");
      await service.send(xml("iq", { type: "result", to: push.attrs.from, id: push.attrs.id }));
    },
  },
];

const bodies = (messages: Element[]) => messages.map((message) => message.getChildText("body")).join(" ");

/** The address of an account that is not logged in, as its server writes it: the domain in Unicode. */
const addressOf = (jid: string, neighbour: { domain: string }) => `${jid.split("@")[0]}@${neighbour.domain}`;
